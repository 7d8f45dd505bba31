-- Takes a lease, or renews one's own. One that lasts longer than it may is free: the clock has gone back since it was taken.
-- KEYS[1] lease  KEYS[2] meta
-- ARGV[1] owner  ARGV[2] milliseconds that it lasts
-- Returns 1 if it is the owner's now, 0 if another holds it, or the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) <= tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

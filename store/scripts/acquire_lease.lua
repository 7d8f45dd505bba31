-- Takes a lease, or renews the caller's own. A lease of another process that has more time left
-- than ARGV[2] is free: the clock has gone back since that process took it.
-- KEYS[1] lease  KEYS[2] meta
-- ARGV[1] owner  ARGV[2] milliseconds that the lease lasts
-- Returns 1 if the lease is the caller's now, 0 if another process has it, or the error NOMETA.
-- One script: no other process takes the lease between the check and the write.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[1]) <= tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

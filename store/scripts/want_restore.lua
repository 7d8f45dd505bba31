-- Notes a payment that somebody asked for and that is not here, unless too many are noted already.
-- KEYS[1] payment  KEYS[2] restore  KEYS[3] meta
-- ARGV[1] id  ARGV[2] how many at most
-- Returns 1 where it is noted, 0 where it is here or there is no room, or the error NOMETA.
if redis.call('HEXISTS', KEYS[3], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[2]) then
  return 0
end
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[2], 'NX', now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])

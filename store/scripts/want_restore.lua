-- Notes a payment that a page asked for and that is not stored, unless too many are noted already. The time that this takes
-- must not show whether the payment is stored: the same is done and written in any case.
-- KEYS[1] pointer of the payment  KEYS[2] restore  KEYS[3] meta  KEYS[4] count of calls
-- ARGV[1] id  ARGV[2] how many at most
-- Returns 1, or the error NOMETA.
if redis.call('HEXISTS', KEYS[3], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local here = redis.call('EXISTS', KEYS[1]) == 1
local full = redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[2])
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if here or full then
  redis.call('ZADD', KEYS[2], 'XX', 'LT', ms, ARGV[1]) -- changes nothing: what is noted is older
else
  redis.call('ZADD', KEYS[2], 'NX', ms, ARGV[1])
end
redis.call('INCR', KEYS[4])
return 1

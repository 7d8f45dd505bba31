-- Notes a payment that a page asked for and that is not stored, unless too many are noted already, of all callers or of
-- this one. The time that this takes must not show whether the payment is stored: the same is done and written in any case.
-- KEYS[1] pointer of the payment  KEYS[2] queue  KEYS[3] meta  KEYS[4] count of calls  KEYS[5] places of the caller
-- ARGV[1] id  ARGV[2] how many at most  ARGV[3] of one caller  ARGV[4] milliseconds for which a place is taken
-- Returns 1, or the error NOMETA.
if redis.call('HEXISTS', KEYS[3], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local here = redis.call('EXISTS', KEYS[1]) == 1
local full = redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[2])
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ms)
local known = redis.call('ZSCORE', KEYS[5], ARGV[1])
local taken = redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[3])
if here or full or (taken and not known) then
  redis.call('ZADD', KEYS[2], 'XX', 'LT', ms, ARGV[1]) -- changes nothing: what is noted is older
  redis.call('ZADD', KEYS[5], 'XX', 'LT', ms + ARGV[4], ARGV[1])
else
  redis.call('ZADD', KEYS[2], 'NX', ms, ARGV[1])
  redis.call('ZADD', KEYS[5], 'NX', ms + ARGV[4], ARGV[1])
end
redis.call('PEXPIRE', KEYS[5], ARGV[4])
redis.call('INCR', KEYS[4])
return 1

-- Queues a payment that a page asked for and that is not stored, unless the queue or the caller's share
-- of it is full. The same commands run in each case, so that their duration does not show whether the
-- payment is stored.
-- KEYS[1] pointer of the payment  KEYS[2] queue  KEYS[3] meta  KEYS[4] count of calls
-- KEYS[5] places of the caller in the queue
-- ARGV[1] payment  ARGV[2] most payments in the queue  ARGV[3] most of one caller
-- ARGV[4] milliseconds for which a place is taken
-- Returns 1, or the error NOMETA.
-- One script: concurrent calls must not exceed the limits, and each call must take equally long.
if redis.call('HEXISTS', KEYS[3], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local stored = redis.call('EXISTS', KEYS[1]) == 1
local full = redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[2])
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ms)
local known = redis.call('ZSCORE', KEYS[5], ARGV[1])
local taken = redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[3])
if stored or full or (taken and not known) then
  redis.call('ZADD', KEYS[2], 'XX', 'LT', ms, ARGV[1]) -- both change nothing: a stored time is earlier
  redis.call('ZADD', KEYS[5], 'XX', 'LT', ms + ARGV[4], ARGV[1])
else
  redis.call('ZADD', KEYS[2], 'NX', ms, ARGV[1])
  redis.call('ZADD', KEYS[5], 'NX', ms + ARGV[4], ARGV[1])
end
redis.call('PEXPIRE', KEYS[5], ARGV[4])
redis.call('INCR', KEYS[4])
return 1

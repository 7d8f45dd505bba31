-- Writes an order, if nobody else has written it since it was loaded.
-- KEYS[1] order  KEYS[2] meta
-- ARGV[1] revision it was loaded with, 0: there was none  ARGV[2] its next  ARGV[3] id  ARGV[4] state
-- ARGV[5] retention in seconds; '' keep  ARGV[6] channel
-- Returns 1, or the error CONFLICT or NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local moved
if ARGV[1] == '0' then
  moved = redis.call('EXISTS', KEYS[1]) == 1
else
  moved = redis.call('HGET', KEYS[1], 'rev') ~= ARGV[1]
end
if moved then
  return redis.error_reply('CONFLICT the order has changed')
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'state', ARGV[4])
redis.call('PUBLISH', ARGV[6], ARGV[3])
if ARGV[5] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 1

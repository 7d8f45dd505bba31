-- Stores the lowest retention that was ever in use.
-- KEYS[1] meta
-- ARGV[1] retention in use, in seconds
-- Returns the lowest, in seconds, or the error NOMETA.
-- One script: of two processes that start with different values, the lower must stay.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local lowest = redis.call('HGET', KEYS[1], 'retention')
if not lowest or tonumber(lowest) > tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'retention', ARGV[1])
  return tonumber(ARGV[1])
end
return tonumber(lowest)

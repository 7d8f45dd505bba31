-- Adds deliveries of past events, as retries that are due now.
-- KEYS[1] meta  KEYS[2] retries
-- ARGV    scores and members, taking turns
-- Returns 1, or the error NOMETA.
-- One script: it writes only in a partition that has our mark.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
redis.call('ZADD', KEYS[2], unpack(ARGV))
return 1

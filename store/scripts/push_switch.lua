-- Stops the deliveries to an endpoint, or lets them continue.
-- KEYS[1] meta  KEYS[2] push
-- ARGV[1] the cause for which to stop; '' continue
-- Returns 1 if that was a change, else 0, or the error NOMETA.
-- One script: it writes only in a partition that has our mark.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
if ARGV[1] ~= '' then
  local now = redis.call('TIME')
  return redis.call('HSETNX', KEYS[2], 'disabled', now[1] .. ' ' .. ARGV[1])
end
return redis.call('HDEL', KEYS[2], 'disabled')

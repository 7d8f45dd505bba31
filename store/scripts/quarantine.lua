-- Stores an event that could not be decoded, unless it is the newest one there: then the reply to an
-- earlier call was lost.
-- KEYS[1] quarantine  KEYS[2] meta
-- ARGV[1] most events to keep  ARGV[2] event id  ARGV[3] type  ARGV[4] size in bytes  ARGV[5] SHA-256
-- ARGV[6] reason
-- Returns 1, or the error NOMETA.
-- One script: no other event comes between the check and the write.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest and newest[2][2] == ARGV[2] and newest[2][8] == ARGV[5] then
  return 1
end
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[1], '*',
  'id', ARGV[2], 'type', ARGV[3], 'size', ARGV[4], 'sha256', ARGV[5], 'reason', ARGV[6])
return 1

-- Puts a payment into the queue of reads, due at once, unless it waits there, or was found not to be ours. A
-- payment that claim_reads.lua has hidden is due again.
-- KEYS[1] reads  KEYS[2] meta  KEYS[3] mark of a payment that is not ours
-- ARGV[1] payment
-- Returns how many were added, -1 for one that is not ours, or the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return -1
end
local now = redis.call('TIME')
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if due and tonumber(due) % 1 == 0 then
  return 0
end
return redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])

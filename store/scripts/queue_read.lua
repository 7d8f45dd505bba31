-- Puts a payment into the queue of reads, due at once, unless it waits there already or was found not
-- to be ours. A payment that claim_reads.lua has hidden becomes due again.
-- KEYS[1] reads  KEYS[2] meta  KEYS[3] mark of a payment that is not ours
-- ARGV[1] payment
-- Returns 1 if it was added, 0 if it was in the queue, -1 if it is not ours, or the error NOMETA.
-- One script: finish_claim.lua may remove the payment between the check and the write.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
if redis.call('EXISTS', KEYS[3]) == 1 then
  return -1
end
local now = redis.call('TIME')
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if due and tonumber(due) % 1 == 0 then
  return 0 -- it waits: the time of a hidden payment ends in .5
end
return redis.call('ZADD', KEYS[1], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])

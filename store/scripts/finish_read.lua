-- Removes a payment from the queue of reads, if claim_reads.lua has hidden it and nothing has queued it again.
-- KEYS[1] reads
-- ARGV[1] payment
-- Returns how many were removed.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) % 1 == 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])

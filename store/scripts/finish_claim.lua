-- Removes a member from a queue, if claim_reads.lua has hidden it and nothing has queued it again.
-- KEYS[1] queue, by Unix milliseconds: reads or attention
-- ARGV[1] payment or order
-- Returns 1 if it was removed, else 0.
-- One script: a member that is queued between the check and the removal would be lost.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) % 1 == 0 then
  return 0 -- not there, or queued again: the time of a hidden member ends in .5
end
return redis.call('ZREM', KEYS[1], ARGV[1])

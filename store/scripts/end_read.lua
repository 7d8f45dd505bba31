-- Removes a payment from the queue of reads, if it is as take_reads.lua has left it: neither a save nor want_read.lua has put
-- it there since.
-- KEYS[1] reads
-- ARGV[1] payment
-- Returns how many were removed.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) % 1 == 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])

-- Takes members that are due, and hides them for a while: the process that takes them may die.
-- KEYS[1] reads, sweep or restore
-- ARGV[1] how many at most  ARGV[2] milliseconds to hide them
-- Returns their ids. Their new due time ends in .5. No other script writes such a time, so finish_read.lua knows that
-- nothing has queued them again.
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ms, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do
  redis.call('ZADD', KEYS[1], ms + ARGV[2] + 0.5, id)
end
return due

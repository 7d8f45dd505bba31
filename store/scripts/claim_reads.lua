-- Claims the members that are due, and hides them for a while. If the process that claims them dies,
-- they become due again.
-- KEYS[1] queue, by Unix milliseconds: reads, sweep, attention or restore
-- ARGV[1] most members to claim  ARGV[2] milliseconds to hide them
-- Returns their ids.
-- One script: no two processes claim the same member.
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ms, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do
  -- No other script writes a time that ends in .5. While it does, nothing has queued the member again
  -- (finish_claim.lua).
  redis.call('ZADD', KEYS[1], ms + ARGV[2] + 0.5, id)
end
return due

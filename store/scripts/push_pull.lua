-- Makes waiting retries due now, in the order of the stream.
-- KEYS[1] meta  KEYS[2] retries
-- ARGV[1] 'all', or '' to leave out those whose delay the endpoint has set
-- ARGV[2] most retries to move  ARGV[3…] the only members to move; none: any
-- Returns how many were moved, or the error NOMETA.
-- One script: a retry that is finished between the check and the write must not come back.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local waiting, moved = {}, 0
if #ARGV == 2 then
  waiting = redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', ms), '+inf', 'LIMIT', 0, ARGV[2])
end
for i = 3, #ARGV do
  if tonumber(redis.call('ZSCORE', KEYS[2], ARGV[i]) or 0) > ms then
    waiting[#waiting + 1] = ARGV[i]
  end
end
for _, member in ipairs(waiting) do
  local at, count = string.match(member, '^(%d+)-(%d+)')
  if ARGV[1] == 'all' or not string.find(member, ' asked', 1, true) then
    -- The score keeps the order of the stream: the entry's millisecond, and as its fraction the number within that.
    redis.call('ZADD', KEYS[2], string.format('%.4f', at + math.min(count, 4000) / 4096), member)
    moved = moved + 1
  end
end
return moved

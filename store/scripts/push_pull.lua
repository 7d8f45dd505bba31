-- Makes waiting retries due now, in the order of the stream.
-- KEYS[1] meta  KEYS[2] retries
-- ARGV[1] 'all', or '' without those whose delay the endpoint asked for  ARGV[2] how many at most
-- ARGV[3] stream id of the only one to move; '' any
-- Returns how many moved, or the error NOMETA.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local moved = 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', ms), '+inf', 'LIMIT', 0, ARGV[2])) do
  local id, at, count = string.match(member, '^((%d+)-(%d+))')
  local asked = string.find(member, ' asked', 1, true)
  if (ARGV[1] == 'all' or not asked) and (ARGV[3] == '' or ARGV[3] == id) then
    -- The score is the entry's place in the stream: its millisecond, and its number within that.
    redis.call('ZADD', KEYS[2], string.format('%.4f', at + math.min(count, 4000) / 4096), member)
    moved = moved + 1
  end
end
return moved

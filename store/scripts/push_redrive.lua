-- Moves dead letters back to the retries, due now and with no finished try.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] retries  KEYS[4] dead
-- ARGV    id of a dead letter and stream id of its event, taking turns
-- Returns {dead letters moved, dead letters whose event was trimmed}, or the error NOMETA.
-- One script: a dead letter is in exactly one of the two places, also if the process dies.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local moved, gone = 0, 0
for i = 1, #ARGV, 2 do
  local letter, id = ARGV[i], ARGV[i + 1]
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
    gone = gone + 1
  elseif redis.call('XDEL', KEYS[4], letter) == 1 then
    local at = string.match(id, '^%d+')
    redis.call('ZADD', KEYS[3], at, id .. ' 0 ' .. at)
    moved = moved + 1
  end
end
return {moved, gone}

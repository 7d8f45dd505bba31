-- Moves a delivery that failed to the retries, or to the dead letters.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] retries  KEYS[4] dead  KEYS[5] log
-- ARGV[1] group  ARGV[2] stream id  ARGV[3] the retry that failed; '' the first delivery failed
-- ARGV[4] finished tries of the next retry; '' no retry follows; 'same' after an early try, whose
--         retry keeps its tries and its due time
-- ARGV[5] milliseconds until the next try  ARGV[6] ' asked' if the endpoint has set them, else ''
-- ARGV[7] most dead letters to keep  ARGV[8] event id  ARGV[9] event type  ARGV[10] tries
-- ARGV[11] reason  ARGV[12] most lines of the log to keep  ARGV[13] line of the log
-- Returns 1, 0 if the delivery was moved or finished before, or the error NOMETA.
-- One script: between the removal and the addition the delivery would be lost if the process died.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local moved
if ARGV[3] == '' then
  moved = redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
else
  moved = redis.call('ZREM', KEYS[3], ARGV[3])
end
if moved == 0 then
  return 0
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[4] == 'same' then
  local due = tonumber(string.match(ARGV[3], '^%S+ %S+ (%d+)'))
  local member = ARGV[3]
  if ARGV[6] ~= '' then
    due = math.max(due, ms + ARGV[5])
    member = string.match(ARGV[3], '^%S+ %S+') .. string.format(' %.0f asked', due)
  end
  redis.call('ZADD', KEYS[3], due, member)
elseif ARGV[4] ~= '' then
  local due = ms + ARGV[5]
  redis.call('ZADD', KEYS[3], due, ARGV[2] .. ' ' .. ARGV[4] .. string.format(' %.0f', due) .. ARGV[6])
else
  redis.call('XADD', KEYS[4], 'MAXLEN', ARGV[7], '*',
    'id', ARGV[8], 'type', ARGV[9], 'entry', ARGV[2], 'tries', ARGV[10], 'reason', ARGV[11])
end
redis.call('LPUSH', KEYS[5], string.format('%.0f ', ms) .. ARGV[13])
redis.call('LTRIM', KEYS[5], 0, ARGV[12] - 1)
return 1

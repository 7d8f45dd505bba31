-- Moves a delivery that failed to its next try, or after the last to the dead letters; in one step, so that none is lost
-- between the two.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] retries  KEYS[4] dead
-- ARGV[1] group  ARGV[2] stream id  ARGV[3] the retry that failed; '' it was the first delivery
-- ARGV[4] the next retry, and ARGV[5] milliseconds until then; '' none
-- ARGV[6] how many dead letters to keep  ARGV[7] event id  ARGV[8] event type  ARGV[9] tries  ARGV[10] reason
-- Returns 1, 0 if somebody has moved or finished it, or the error NOMETA.
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
if ARGV[4] ~= '' then
  local now = redis.call('TIME')
  redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[5], ARGV[4])
else
  redis.call('XADD', KEYS[4], 'MAXLEN', ARGV[6], '*', 'id', ARGV[7], 'type', ARGV[8], 'entry', ARGV[2], 'tries', ARGV[9], 'reason', ARGV[10])
end
return 1

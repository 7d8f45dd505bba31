-- The script of the bare webhook. It stays as of commit a0e84f8, so that the baseline does not change with Kasse.
-- Writes a payment with all that follows from it, if nobody else has written it since it was loaded.
-- KEYS[1] payment  KEYS[2] events  KEYS[3] reads  KEYS[4] meta  KEYS[5] sweep
-- ARGV[1] revision it was loaded with, 0: there was none  ARGV[2] its next  ARGV[3] id  ARGV[4] state  ARGV[5] SHA-256 of the client secret
-- ARGV[6] read due at, Unix milliseconds; '' none is wanted
-- ARGV[7] retention in seconds; '' keep
-- ARGV[8] view; '' nothing visible changed, and ARGV[9] version  ARGV[10] history entry  ARGV[11] channel
-- ARGV[12] event id; '' nothing to tell, and ARGV[13] event type  ARGV[14] oldest stream id to keep, as <ms>-0
-- ARGV[15] order id
-- ARGV[16] next sweep due at, Unix milliseconds; '' the payment is final  ARGV[17] 'true' where the event is told by a rebuild
-- ARGV[18] traceparent of the event's cause; '' none
-- Returns 1, or the error CONFLICT or NOMETA.
if redis.call('HEXISTS', KEYS[4], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local moved
if ARGV[1] == '0' then
  moved = redis.call('EXISTS', KEYS[1]) == 1
else
  moved = redis.call('HGET', KEYS[1], 'rev') ~= ARGV[1]
end
if moved then
  return redis.error_reply('CONFLICT the payment has changed')
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'state', ARGV[4], 'secret', ARGV[5], 'order', ARGV[15])
if ARGV[6] == '' then
  redis.call('ZREM', KEYS[3], ARGV[3])
else
  redis.call('ZADD', KEYS[3], ARGV[6], ARGV[3])
end
if ARGV[16] == '' then
  redis.call('ZREM', KEYS[5], ARGV[3])
else
  redis.call('ZADD', KEYS[5], ARGV[16], ARGV[3])
end
if ARGV[8] ~= '' then
  local history = redis.call('HGET', KEYS[1], 'history')
  history = history and history .. ',' .. ARGV[10] or ARGV[10]
  redis.call('HSET', KEYS[1], 'view', ARGV[8], 'version', ARGV[9], 'history', history)
  redis.call('PUBLISH', ARGV[11], ARGV[3])
end
if ARGV[12] ~= '' then
  local fields = {'id', ARGV[12], 'type', ARGV[13], 'data', ARGV[8]}
  for name, value in pairs({restored = ARGV[17], trace = ARGV[18]}) do
    if value ~= '' then
      fields[#fields + 1], fields[#fields + 2] = name, value
    end
  end
  redis.call('XADD', KEYS[2], '*', unpack(fields))
  -- XREVRANGE below the first entry would walk through all of them, so the first is looked at before.
  local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1][1]
  if tonumber(string.match(first, '%d+')) < tonumber(string.match(ARGV[14], '%d+')) then
    -- The newest that goes is noted: a cursor that has passed it has lost nothing.
    local dropped = redis.call('XREVRANGE', KEYS[2], '(' .. ARGV[14], '-', 'COUNT', 1)[1][1]
    redis.call('HINCRBY', KEYS[4], 'dropped', redis.call('XTRIM', KEYS[2], 'MINID', ARGV[14]))
    redis.call('HSET', KEYS[4], 'trimmed', dropped)
  end
end
if ARGV[7] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('EXPIRE', KEYS[1], ARGV[7])
end
return 1

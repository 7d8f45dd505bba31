-- Writes an order with all that follows from a change, if no other write came first.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events  KEYS[4] reads  KEYS[5] sweep  KEYS[6] attention
-- ARGV    in this order, each list after its length:
--   revision it was loaded with ('' there was none) and its next, each with the line's end behind it, order id, channel,
--   payload of the hint ('' no hint), milliseconds until it may expire ('' never, 'keep' as before), oldest stream id to
--   keep as <ms>-0 ('' do not trim now), Unix milliseconds at which a worker looks at the order ('' never, 'keep' as
--   before);
--   fields of the payments in question; fields and values to set; fields to remove; payments and Unix milliseconds of their
--   reads ('' none is wanted); payments and Unix milliseconds of their sweeps ('' final); stream entries, each as its
--   length, fields and values
-- Returns {'saved', seconds, microseconds}; {'conflict', …} with the reply of load_order where another write came first; or
-- the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local stored = redis.call('HGET', KEYS[1], 'order')
if stored and string.sub(stored, 1, #ARGV[2]) == ARGV[2] then
  return {'saved', now[1], now[2]} -- it was written, and the reply was lost
end
local at = 9
local moved
if stored then
  moved = ARGV[1] == '' or string.sub(stored, 1, #ARGV[1]) ~= ARGV[1]
else
  moved = ARGV[1] ~= ''
  if redis.call('EXISTS', KEYS[1]) == 1 then
    moved, stored = true, '' -- it has other fields: readers take that for an error
  end
end
if moved then
  local reply = {'conflict', now[1], now[2], stored}
  for i = 1, tonumber(ARGV[at]) do
    reply[4 + i] = redis.call('HGET', KEYS[1], ARGV[at + i])
  end
  return reply
end
at = at + 1 + tonumber(ARGV[at])
local count = tonumber(ARGV[at])
redis.call('HSET', KEYS[1], unpack(ARGV, at + 1, at + count))
at = at + 1 + count
count = tonumber(ARGV[at])
if count > 0 then
  redis.call('HDEL', KEYS[1], unpack(ARGV, at + 1, at + count))
end
at = at + 1 + count
for queue = 4, 5 do
  count = tonumber(ARGV[at])
  for i = at + 1, at + count, 2 do
    if ARGV[i + 1] == '' then
      redis.call('ZREM', KEYS[queue], ARGV[i])
    else
      redis.call('ZADD', KEYS[queue], ARGV[i + 1], ARGV[i])
    end
  end
  at = at + 1 + count
end
if ARGV[8] == '' then
  redis.call('ZREM', KEYS[6], ARGV[3])
elseif ARGV[8] ~= 'keep' then
  redis.call('ZADD', KEYS[6], ARGV[8], ARGV[3])
end
local last = at + tonumber(ARGV[at])
local announced = at < last
at = at + 1
while at <= last do
  count = tonumber(ARGV[at])
  redis.call('XADD', KEYS[3], '*', unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
if announced and ARGV[7] ~= '' then
  -- XREVRANGE below the first entry would walk through all of them, so the first is looked at before.
  local first = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1][1]
  if tonumber(string.match(first, '%d+')) < tonumber(string.match(ARGV[7], '%d+')) then
    -- The newest that goes is noted: a cursor that has passed it has lost nothing.
    local dropped = redis.call('XREVRANGE', KEYS[3], '(' .. ARGV[7], '-', 'COUNT', 1)[1][1]
    redis.call('HINCRBY', KEYS[2], 'dropped', redis.call('XTRIM', KEYS[3], 'MINID', ARGV[7]))
    redis.call('HSET', KEYS[2], 'trimmed', dropped)
  end
end
if ARGV[5] ~= '' then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
if ARGV[6] == '' then
  redis.call('PERSIST', KEYS[1])
elseif ARGV[6] ~= 'keep' then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return {'saved', now[1], now[2]}

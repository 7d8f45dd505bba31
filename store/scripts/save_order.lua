-- Writes an order with all that follows from a change, if no other write came first.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events  KEYS[4] reads  KEYS[5] sweep  KEYS[6] attention
-- ARGV    in this order, each list after its length:
--   revision it was loaded with ('' there was none), its next, order id, channel, payload of the hint ('' no hint),
--   milliseconds until it may expire ('' never), oldest stream id to keep as <ms>-0,
--   Unix milliseconds at which a worker looks at the order ('' never, 'keep' as before: a foreign payment is saved),
--   payments in question; fields and values to set; payments and Unix milliseconds of their reads ('' none is wanted);
--   payments and Unix milliseconds of their sweeps ('' final); stream entries, each as its length, fields and values
-- Returns {'saved', seconds, microseconds}; {'conflict', …} with the reply of load_order where another write came first; or
-- the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local at = 8
local function list()
  local from, count = at + 2, tonumber(ARGV[at + 1])
  at = at + 1 + count
  return {unpack(ARGV, from, from + count - 1)}
end
local ids = list()
local stored = redis.call('HGET', KEYS[1], 'rev')
if stored == ARGV[2] then
  return {'saved', now[1], now[2]} -- it was written, and the reply was lost
end
local moved = stored == '' or stored ~= ARGV[1]
if not stored then
  local damaged = redis.call('EXISTS', KEYS[1]) == 1
  moved = damaged or ARGV[1] ~= ''
  if damaged then
    stored = '' -- it has no revision: readers take that for an error
  end
end
if moved then
  local head = redis.call('HMGET', KEYS[1], 'order', 'current')
  local reply = {'conflict', now[1], now[2], stored, head[1], head[2]}
  local fields = {'record:' .. (head[2] or '')}
  for _, id in ipairs(ids) do
    fields[#fields + 1] = 'record:' .. id
  end
  for _, record in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
    reply[#reply + 1] = record
  end
  return reply
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], unpack(list()))
for _, queue in ipairs({KEYS[4], KEYS[5]}) do
  local entries = list()
  for i = 1, #entries, 2 do
    if entries[i + 1] == '' then
      redis.call('ZREM', queue, entries[i])
    else
      redis.call('ZADD', queue, entries[i + 1], entries[i])
    end
  end
end
if ARGV[8] == '' then
  redis.call('ZREM', KEYS[6], ARGV[3])
elseif ARGV[8] ~= 'keep' then
  redis.call('ZADD', KEYS[6], ARGV[8], ARGV[3])
end
local events = list()
local from = 1
while from <= #events do
  local count = tonumber(events[from])
  redis.call('XADD', KEYS[3], '*', unpack(events, from + 1, from + count))
  from = from + count + 1
end
if #events > 0 then
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
else
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return {'saved', now[1], now[2]}

-- Takes one step of the pass that removes expired orders from a partition's indexes. A step examines
-- one bucket, and at most 128 of its entries. The state of the pass is in Redis, so that any process
-- can take the next step.
-- KEYS[1] index by creation  KEYS[2] index by customer  KEYS[3] meta  KEYS[4] pass
-- ARGV[1] milliseconds from the start of a pass to the start of the next
-- ARGV[2] milliseconds that a pass may take  ARGV[3] prefix of the orders' keys
-- ARGV[4] characters before the order's id in a member of the index by customer
-- Returns {orders removed, steps left in the pass, milliseconds left for them}, or the error NOMETA.
-- Without steps left the milliseconds are those until the next pass.
-- One script: save_order.lua may fill or split a bucket between a check and a removal.
--
-- A pass looks through the index by customer only after it has removed orders from the other index.
-- There it examines only the orders created between the first and the last of those.
if redis.call('HEXISTS', KEYS[3], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local stored = redis.call('HMGET', KEYS[4], 'began', 'index', 'start', 'rank', 'first', 'last')
local began, index, start, rank = tonumber(stored[1]), stored[2], stored[3], tonumber(stored[4])
-- The earliest and the latest creation of the orders removed in this pass.
local first, last = tonumber(stored[5]), tonumber(stored[6])
local clockWentBack = began and began > ms
if not began or index == '' and (clockWentBack or ms - began >= tonumber(ARGV[1])) then
  -- Before the first pass it is unknown which orders are gone: that pass examines the entries of all customers.
  first, last = not began and 0 or nil, not began and 2 ^ 53 or nil
  began, index, start, rank = ms, 'created', '-inf', 0
elseif index == '' then
  return {0, 0, began + ARGV[1] - ms}
elseif clockWentBack then
  began = ms
end

-- Returns the members whose order is gone. The order's id begins at character from. Usually none is gone, which one
-- command finds out.
local function expired(members, from)
  local keys, gone = {}, {}
  for i, member in ipairs(members) do
    keys[i] = ARGV[3] .. string.sub(member, from)
  end
  if #keys == 0 or redis.call('EXISTS', unpack(keys)) == #keys then
    return gone
  end
  for i, key in ipairs(keys) do
    if redis.call('EXISTS', key) == 0 then
      gone[#gone + 1] = members[i]
    end
  end
  return gone
end

-- Removes the expired orders among some members of a bucket by creation, and returns how many.
local function pruneCreated(bucket, members)
  local gone = expired(members, 1)
  for _, member in ipairs(gone) do
    local created = tonumber(redis.call('ZSCORE', bucket, member))
    redis.call('ZREM', bucket, member)
    first, last = math.min(first or created, created), math.max(last or created, created)
  end
  return #gone
end

-- Does the same in a bucket by customer, for the orders created between first and last.
local function pruneCustomers(bucket, members)
  local candidates, stamp = {}, tonumber(ARGV[4])
  for _, member in ipairs(members) do
    local created = tonumber(string.sub(member, 1, stamp), 36)
    if created >= first and created <= last then
      candidates[#candidates + 1] = member
    end
  end
  local gone = expired(candidates, stamp + 1)
  for _, member in ipairs(gone) do
    redis.call('ZREM', bucket, member)
  end
  return #gone
end

local directory = index == 'created' and KEYS[1] or KEYS[2]
local starts = redis.call('ZRANGEBYSCORE', directory, start, '+inf', 'LIMIT', 0, 2)
local removed, most = 0, 128
local more = false
if starts[1] then
  local bucket = directory .. ':' .. starts[1]
  if starts[1] ~= start then
    rank = 0 -- the last step was in another bucket, which is gone
  end
  local members = redis.call('ZRANGE', bucket, rank, rank + most - 1)
  local gone = (index == 'created' and pruneCreated or pruneCustomers)(bucket, members)
  removed = index == 'created' and gone or 0
  local size = redis.call('ZCARD', bucket)
  if size == 0 then
    redis.call('ZREM', directory, starts[1])
  end
  if size > rank + most - gone then
    start, rank, more = starts[1], rank + most - gone, true
  else
    start, rank, more = starts[2], 0, starts[2] ~= nil
  end
end
if not more then
  index = index == 'created' and first and 'customer' or ''
  start, rank = '-inf', 0
end
redis.call('HSET', KEYS[4], 'began', string.format('%.0f', began), 'index', index, 'start', start, 'rank', rank,
  'first', first and string.format('%.0f', first) or '', 'last', last and string.format('%.0f', last) or '')
if index == '' then
  return {removed, 0, math.max(began + ARGV[1] - ms, 0)}
end
local left = redis.call('ZCOUNT', index == 'created' and KEYS[1] or KEYS[2], start, '+inf')
if index == 'created' then
  left = left + redis.call('ZCARD', KEYS[2])
end
return {removed, math.max(left, 1), math.max(began + ARGV[2] - ms, 0)}

-- Replaces entries of the stream by entries at its end, if the order was not written since it was loaded. Redis cannot change
-- an entry, nor append one under an old id.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events  KEYS[4…] retries of each group that pushes
-- ARGV[1] revision that the order was loaded with  ARGV[2] channel  ARGV[3] payload of the hint
-- ARGV[4] how many groups push, then their names in the order of KEYS[4…]
-- then of each entry its id, how many fields and values it has, and those
-- Returns how many were replaced, or the errors CONFLICT and NOMETA.
--
-- An entry that an endpoint has is not sent there again: the new one names its group in the field sent. A delivery under way,
-- or waiting for a retry, is taken back, since the new entry is delivered as well.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local stored = redis.call('HGET', KEYS[1], 'order') -- its first line is the revision
if not stored or string.match(stored, '^[^\n]*') ~= ARGV[1] then
  return redis.error_reply('CONFLICT the order was written')
end
local groups = tonumber(ARGV[4])
local at = 5 + groups

local function position(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

local passed = {} -- the last entry that each group was given
if redis.call('EXISTS', KEYS[3]) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[3])) do
    local fields = {}
    for i = 1, #info, 2 do
      fields[info[i]] = info[i + 1]
    end
    passed[fields['name']] = fields['last-delivered-id']
  end
end

-- Takes back what a group has under way of an entry, and reports whether it has delivered the entry.
local function delivered(group, retries, id)
  if not passed[group] then
    return false
  end
  local ms, number = position(id)
  local lastMs, lastNumber = position(passed[group])
  if ms > lastMs or ms == lastMs and number > lastNumber then
    return false
  end
  local taken = redis.call('XACK', KEYS[3], group, id)
  for _, member in ipairs(retries) do
    if string.sub(member[1], 1, #id + 1) == id .. ' ' then
      taken = taken + redis.call('ZREM', member[2], member[1])
    end
  end
  return taken == 0
end

local waiting = {}
for i = 1, groups do
  waiting[i] = {}
  for _, member in ipairs(redis.call('ZRANGE', KEYS[3 + i], 0, -1)) do
    table.insert(waiting[i], {member, KEYS[3 + i]})
  end
end

local count = 0
while at <= #ARGV do
  local id, length = ARGV[at], tonumber(ARGV[at + 1])
  local fields = {}
  for i = at + 2, at + 1 + length do
    table.insert(fields, ARGV[i])
  end
  at = at + 2 + length
  local sent = {}
  for i = 1, groups do
    if delivered(ARGV[4 + i], waiting[i], id) then
      table.insert(sent, ARGV[4 + i])
    end
  end
  if redis.call('XDEL', KEYS[3], id) == 1 then
    if #sent > 0 then
      table.insert(fields, 'sent')
      table.insert(fields, table.concat(sent, ' '))
    end
    redis.call('XADD', KEYS[3], '*', unpack(fields))
    count = count + 1
  end
end
if count > 0 then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return count

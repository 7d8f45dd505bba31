-- Replaces entries of the stream by entries at its end, if the order was not written since it was loaded. Redis cannot change
-- an entry, nor append one under an old id.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events  KEYS[4…] retries and log of each group that pushes, taking turns
-- ARGV[1] revision that the order was loaded with  ARGV[2] channel  ARGV[3] payload of the hint
-- ARGV[4] lines that a log keeps at most
-- ARGV[5] how many groups push, then of each in the order of KEYS[4…] its name and the newest line of its log ('' none), as
-- it was before its retries were looked through
-- then of each entry its id, the event's id, how many fields and values it has, those, and for each group how many of its
-- retries are of the entry, and those
-- Returns how many were replaced, or the errors CONFLICT and NOMETA.
--
-- An entry that an endpoint has is not sent there again: the new one names its group in the field sent. A delivery under way,
-- or waiting for a retry, is taken back, since the new entry is delivered as well. Where it is not known whether an
-- endpoint has the entry, it is sent again.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local stored = redis.call('HGET', KEYS[1], 'order') -- its first line is the revision
if not stored or string.match(stored, '^[^\n]*') ~= ARGV[1] then
  return redis.error_reply('CONFLICT the order was written')
end
local at = 5
-- Returns the next argument.
local function take()
  at = at + 1
  return ARGV[at - 1]
end
-- Returns the arguments of a list that begins with its length.
local function takeList()
  local values = {}
  for i = 1, tonumber(take()) do
    values[i] = take()
  end
  return values
end
local groups = {}
for i = 1, tonumber(take()) do
  groups[i] = {name = take(), newest = take(), retries = KEYS[2 + 2 * i], log = KEYS[3 + 2 * i]}
end

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

-- Reports whether a try of the event may have been recorded since the retries were looked through. The newest line of a
-- log is the first.
local function mayHaveTried(group, event)
  local lines = redis.call('LRANGE', group.log, 0, -1)
  for _, line in ipairs(lines) do
    if line == group.newest then
      return false
    end
    if string.match(line, '^%S+ %S+ %S+ %S+ (%S+)') == event then
      return true
    end
  end
  return group.newest ~= '' or #lines >= tonumber(ARGV[4]) -- lines since then may be dropped
end

-- Takes back what a group has under way of an entry, and reports whether it has delivered the entry.
local function delivered(group, id, event, retries)
  if not passed[group.name] then
    return false
  end
  local ms, number = position(id)
  local lastMs, lastNumber = position(passed[group.name])
  if ms > lastMs or ms == lastMs and number > lastNumber then
    return false
  end
  local taken = redis.call('XACK', KEYS[3], group.name, id)
  table.insert(retries, id .. ' 0 ' .. string.match(id, '^%d+')) -- as a replay since then has added it
  taken = taken + redis.call('ZREM', group.retries, unpack(retries))
  return taken == 0 and not mayHaveTried(group, event)
end

local count = 0
while at <= #ARGV do
  local id, event, fields = take(), take(), takeList()
  local sent = {}
  for _, group in ipairs(groups) do
    if delivered(group, id, event, takeList()) then
      table.insert(sent, group.name)
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

-- Replaces entries of the stream by entries at its end, if the order was not written since it was
-- loaded. Redis can neither change an entry nor append one with an old id.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events
-- KEYS[4…] retries and log of each group that pushes, taking turns
-- ARGV[1] revision that the order was loaded with  ARGV[2] channel  ARGV[3] payload of the hint
-- ARGV[4] most lines that a log keeps
-- ARGV[5] how many groups push, then for each group, in the order of KEYS[4…], its name and the
--         newest line of its log ('' none) from before its retries were read
-- then for each entry its id, the event's id, its new fields and values after how many those are, and
--         for each group the entry's retries after how many those are
-- Returns how many entries were replaced, or the errors CONFLICT and NOMETA.
-- One script: no write of the order and no delivery of its events may come in between.
--
-- An entry that an endpoint has received is not sent to it again: the field sent of the new entry names
-- the endpoint's group. A delivery that is under way or waits for a retry is removed, since the new
-- entry is delivered as well. If it is not known whether an endpoint has received the entry, it is sent
-- again.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local stored = redis.call('HGET', KEYS[1], 'order') -- the revision is its first line
if not stored or string.match(stored, '^[^\n]*') ~= ARGV[1] then
  return redis.error_reply('CONFLICT the order was written')
end
local at = 5
-- Returns the next argument.
local function nextArgument()
  at = at + 1
  return ARGV[at - 1]
end
-- Returns the arguments of a list that begins with its length.
local function nextList()
  local values = {}
  for i = 1, tonumber(nextArgument()) do
    values[i] = nextArgument()
  end
  return values
end
local groups = {}
for i = 1, tonumber(nextArgument()) do
  groups[i] = {name = nextArgument(), newest = nextArgument(), retries = KEYS[2 + 2 * i], log = KEYS[3 + 2 * i]}
end

-- Returns the two numbers of a stream id.
local function position(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

local passed = {} -- the id of the last entry that each group has read
if redis.call('EXISTS', KEYS[3]) == 1 then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[3])) do
    local fields = {}
    for i = 1, #info, 2 do
      fields[info[i]] = info[i + 1]
    end
    passed[fields['name']] = fields['last-delivered-id']
  end
end

-- Reports whether a try of the event may have been logged since the retries were read. The newest line of a log is its
-- first.
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
  return group.newest ~= '' or #lines >= tonumber(ARGV[4]) -- lines logged since then may be gone
end

-- Removes a group's unfinished deliveries of an entry, and reports whether the group has delivered the entry.
local function withdraw(group, id, event, retries)
  if not passed[group.name] then
    return false
  end
  local ms, number = position(id)
  local lastMs, lastNumber = position(passed[group.name])
  if ms > lastMs or ms == lastMs and number > lastNumber then
    return false
  end
  local removed = redis.call('XACK', KEYS[3], group.name, id)
  table.insert(retries, id .. ' 0 ' .. string.match(id, '^%d+')) -- a replay may have added this one since then
  removed = removed + redis.call('ZREM', group.retries, unpack(retries))
  return removed == 0 and not mayHaveTried(group, event)
end

local count = 0
while at <= #ARGV do
  local id, event, fields = nextArgument(), nextArgument(), nextList()
  local sent = {}
  for _, group in ipairs(groups) do
    if withdraw(group, id, event, nextList()) then
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

-- Claims deliveries of one partition to some endpoints. A partition with claimed deliveries to an endpoint belongs to one
-- owner until its lease ends, so that the deliveries of an order stay in order.
-- KEYS[1] events  KEYS[2] meta, then of each endpoint: push, retries
-- ARGV    of each endpoint eight values, from 1:
--   1 group  2 owner  3 lease in milliseconds
--   4 first deliveries that the owner holds  5 how many more to claim at most
--   6 retries that the owner holds  7 how many more to claim at most
--   8 number of a probe, which claims exactly one delivery, due or not; '0' no probe
-- Returns {Unix milliseconds, entries, an answer for each endpoint}, or the error NOMETA. An entry that several endpoints
-- claim is returned once, and an answer has its number in entries.
-- An answer is {standing, rest of another owner's lease in milliseconds, how many were trimmed before they were delivered,
-- first deliveries, retries as {member, number}, entries not claimed, retries not claimed, milliseconds until the next
-- retry is due or -1, circuit open, milliseconds until the next probe}, or NOGROUP: register the endpoint.
-- Standing is owned, idle, elsewhere (another's) or disabled.
--
-- A claimed retry has the score of its entry's millisecond - 1e13, which is negative; the others have the Unix
-- millisecond that is due.
local meta = redis.call('HMGET', KEYS[2], 'schema', 'dropped')
if not meta[1] then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local dropped = tonumber(meta[2] or 0)
local last = redis.call('XLEN', KEYS[1]) + dropped
local entries, places = {}, {}

-- The number of an entry in the reply, from 1.
local function numberOf(entry)
  local place = places[entry[1]]
  if not place then
    place = #entries + 1
    entries[place], places[entry[1]] = entry, place
  end
  return place
end

local function claim(
  pushKey, retriesKey, group, owner, lease, heldFirst, mostFirst, heldRetries, mostRetries, probe
)
  local push = redis.call('HMGET', pushKey, 'owner', 'until', 'passed', 'disabled', 'failing', 'probe', 'wait')
  if not push[3] then
    return 'NOGROUP'
  end
  local passed = tonumber(push[3])
  local lost, first, retries = 0, {}, {}
  local all = redis.call('ZCARD', retriesKey)
  local mine = push[1] == owner
  local claimed = 0 -- retries

  local function reply(standing, rest)
    local waiting, due = 0, -1
    if all > 0 then
      waiting = redis.call('ZCOUNT', retriesKey, 0, '+inf')
      local next = redis.call('ZRANGEBYSCORE', retriesKey, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
      due = next and math.max(math.floor(next) - ms, 0) or -1
    end
    local nextProbe = push[6] and math.max(push[6] - ms, 0) or 0
    if push[7] and nextProbe > tonumber(push[7]) then -- the clock has gone back since it was set
      nextProbe = 0
    end
    return {standing, rest, lost, first, retries, math.max(last - passed, 0), waiting, due,
      push[5] and 1 or 0, nextProbe}
  end

  if push[4] then
    return reply('disabled', 0)
  end
  -- A lease that lasts longer than it may is none: the clock has gone back since it was taken.
  if push[1] and not mine and tonumber(push[2]) > ms and push[2] - ms <= lease then
    return reply('elsewhere', push[2] - ms)
  end

  -- Gives a retry out; one whose entry was trimmed is counted instead.
  local function give(member)
    local id = string.match(member, '^%S+')
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then
      redis.call('ZADD', retriesKey, string.match(id, '^%d+') - 1e13, member)
      retries[#retries + 1] = {member, numberOf(entry)}
    else
      redis.call('ZREM', retriesKey, member)
      lost = lost + 1
    end
  end

  local function read(from, count)
    local reply = redis.call('XREADGROUP', 'GROUP', group, 'relay', 'COUNT', count, 'STREAMS', KEYS[1], from)
    return reply and reply[1] and reply[1][2] or {}
  end

  local pending = redis.call('XPENDING', KEYS[1], group)[1]
  local function readPending(count)
    for _, entry in ipairs(read('0', count)) do
      if entry[2] then
        first[#first + 1] = numberOf(entry)
      else
        redis.call('XACK', KEYS[1], group, entry[1])
        pending = pending - 1
        lost = lost + 1
      end
    end
  end

  local function readFresh(count)
    if dropped > passed then
      lost = lost + dropped - passed
      passed = dropped
    end
    local fresh = read('>', count)
    for _, entry in ipairs(fresh) do
      first[#first + 1] = numberOf(entry)
    end
    pending = pending + #fresh
    passed = passed + #fresh
    if #fresh < count then
      passed = last
    end
  end

  if all > 0 then
    claimed = redis.call('ZCOUNT', retriesKey, '-inf', '(0')
  end
  -- Claimed beyond what the owner holds: an owner before it died with them, or a reply was lost, or they were held back.
  if claimed > 0 and mostRetries > 0 and (not mine or claimed > heldRetries) then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, '-inf', '(0', 'LIMIT', 0, 1000)) do
      give(member)
    end
  end
  if all > claimed and mostRetries > 0 then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, 0, ms, 'LIMIT', 0, mostRetries)) do
      give(member)
    end
  end
  if mostFirst > 0 then
    if pending > 0 and (not mine or pending > heldFirst) then
      readPending(1000)
    end
    readFresh(mostFirst) -- even if the counters show nothing: the stream may have been trimmed by hand
  end

  if probe > 0 then
    if claimed > 0 then -- held back by an owner: they wait again
      for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, '-inf', '(0', 'LIMIT', 0, 1000)) do
        redis.call('ZADD', retriesKey, string.match(member, '^%S+ %S+ (%d+)') or 0, member)
      end
    end
    -- Probes take an event that was not tried yet and a retry in turn, and another retry each time: one that always fails
    -- must not keep the circuit open. A retry whose delay the endpoint asked for is left alone until it is due.
    local untried = pending > 0 or last > passed
    if all > 0 and (not untried or probe % 2 == 1) then
      local from = math.floor(probe / 2) % all
      for _, start in ipairs({from, 0}) do
        for _, member in ipairs(redis.call('ZRANGE', retriesKey, start, start + 99)) do
          local due, asked = string.match(member, '^%S+ %S+ (%d+)( ?)')
          if #retries == 0 and (asked ~= ' ' or tonumber(due) <= ms) then
            give(member)
          end
        end
      end
    end
    if #retries == 0 then
      if pending > 0 then
        readPending(1)
      end
      if #first == 0 then
        readFresh(1)
      end
    end
  end

  if pending > 0 or #retries > 0 or claimed > 0 and redis.call('ZCOUNT', retriesKey, '-inf', '(0') > 0 then
    redis.call('HSET', pushKey, 'passed', passed, 'owner', owner, 'until', ms + lease)
    return reply('owned', 0)
  end
  if passed ~= tonumber(push[3]) then
    redis.call('HSET', pushKey, 'passed', passed)
  end
  if push[1] then
    redis.call('HDEL', pushKey, 'owner', 'until')
  end
  return reply('idle', 0)
end

local answers = {}
for i = 0, #ARGV / 8 - 1 do
  local group, owner = ARGV[8 * i + 1], ARGV[8 * i + 2]
  local numbers = {}
  for j = 1, 6 do
    numbers[j] = tonumber(ARGV[8 * i + 2 + j])
  end
  answers[i + 1] = claim(KEYS[2 * i + 3], KEYS[2 * i + 4], group, owner, unpack(numbers))
end
return {ms, entries, answers}

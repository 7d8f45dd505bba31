-- Claims deliveries of one partition to some endpoints. A partition with claimed deliveries to an
-- endpoint belongs to one owner until its lease ends, so that the deliveries of an order stay in order.
-- KEYS[1] events  KEYS[2] meta, then for each endpoint: push, retries
-- ARGV    for each endpoint eight values:
--   1 group  2 owner  3 lease in milliseconds
--   4 first deliveries that the owner holds  5 most first deliveries to claim in addition
--   6 retries that the owner holds  7 most retries to claim in addition
--   8 number of a probe, which claims exactly one delivery, due or not; '0' no probe
-- Returns {Unix milliseconds, entries, an answer for each endpoint}, or the error NOMETA. An entry that
-- several endpoints claim is returned once. Answers refer to it by its number in entries, from 1.
-- An answer is NOGROUP if the endpoint is not registered, or has these values:
--   1 standing: owned (the caller's), idle, elsewhere (another owner's) or disabled
--   2 milliseconds left of another owner's lease
--   3 deliveries whose entries were trimmed before they were made
--   4 first deliveries, as numbers  5 retries, as {member, number}
--   6 entries not claimed  7 retries not claimed
--   8 milliseconds until the next retry is due, or -1
--   9 1 if the circuit is open, else 0  10 milliseconds until the next probe
-- One script: what is claimed and who owns it change together, so that no two owners deliver the
-- events of an order at the same time.
--
-- The score of a claimed retry is the millisecond of its entry - 1e13, which is negative. The score of
-- any other is the Unix millisecond at which it is due.
local meta = redis.call('HMGET', KEYS[2], 'schema', 'dropped')
if not meta[1] then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local dropped = tonumber(meta[2] or 0)
local last = redis.call('XLEN', KEYS[1]) + dropped
local entries, places = {}, {}

-- Returns the number of an entry in the reply, and adds the entry if it is new there.
local function numberOf(entry)
  local place = places[entry[1]]
  if not place then
    place = #entries + 1
    entries[place], places[entry[1]] = entry, place
  end
  return place
end

-- Claims deliveries to one endpoint, and returns its answer.
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
  local claimed = 0 -- retries that were claimed before

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
  -- A lease with more time left than a new one has ended: the clock has gone back since it was taken.
  if push[1] and not mine and tonumber(push[2]) > ms and push[2] - ms <= lease then
    return reply('elsewhere', push[2] - ms)
  end

  -- Claims a retry. If its entry was trimmed, it is removed and counted as lost.
  local function claimRetry(member)
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

  -- Reads entries of the group: those pending from an id on, or with '>' new ones.
  local function read(from, count)
    local reply = redis.call('XREADGROUP', 'GROUP', group, 'relay', 'COUNT', count, 'STREAMS', KEYS[1], from)
    return reply and reply[1] and reply[1][2] or {}
  end

  local pending = redis.call('XPENDING', KEYS[1], group)[1]
  -- Claims first deliveries again that were claimed before. One whose entry was trimmed is counted as lost.
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

  -- Claims first deliveries of new entries. Entries trimmed before the group read them are counted as lost.
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
  -- More are claimed than the owner holds: an earlier owner died with them, a reply was lost, or the owner has
  -- postponed them.
  if claimed > 0 and mostRetries > 0 and (not mine or claimed > heldRetries) then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, '-inf', '(0', 'LIMIT', 0, 1000)) do
      claimRetry(member)
    end
  end
  if all > claimed and mostRetries > 0 then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, 0, ms, 'LIMIT', 0, mostRetries)) do
      claimRetry(member)
    end
  end
  if mostFirst > 0 then
    if pending > 0 and (not mine or pending > heldFirst) then
      readPending(1000)
    end
    readFresh(mostFirst) -- also if the counters show no new entry: the stream may have been trimmed by hand
  end

  if probe > 0 then
    if claimed > 0 then -- an owner has postponed them: they wait again
      for _, member in ipairs(redis.call('ZRANGEBYSCORE', retriesKey, '-inf', '(0', 'LIMIT', 0, 1000)) do
        redis.call('ZADD', retriesKey, string.match(member, '^%S+ %S+ (%d+)') or 0, member)
      end
    end
    -- Probes alternate between an event that was not tried yet and a retry, and each takes another retry: one that
    -- always fails must not keep the circuit open. A retry whose delay the endpoint has set stays until it is due.
    local untried = pending > 0 or last > passed
    if all > 0 and (not untried or probe % 2 == 1) then
      local from = math.floor(probe / 2) % all
      for _, start in ipairs({from, 0}) do
        for _, member in ipairs(redis.call('ZRANGE', retriesKey, start, start + 99)) do
          local due, asked = string.match(member, '^%S+ %S+ (%d+)( ?)')
          if #retries == 0 and (asked ~= ' ' or tonumber(due) <= ms) then
            claimRetry(member)
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

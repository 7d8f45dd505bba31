-- Takes deliveries of one partition to one endpoint. First deliveries are one process's at a time, so that those of a
-- payment stay in order; retries are anybody's, and are hidden from others for a while.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] push  KEYS[4] retries
-- ARGV[1] group  ARGV[2] owner  ARGV[3] milliseconds that the partition is the owner's from now
-- ARGV[4] first deliveries that the owner has in its hands  ARGV[5] how many more at most
-- ARGV[6] how many retries at most  ARGV[7] milliseconds to hide them
-- Returns {standing, how many were trimmed before they were delivered, first deliveries, retries as {member, entry}, how
-- many entries wait}; standing is owned, idle, taken (by another) or disabled. Or the error NOMETA, or NOGROUP: join.
local meta = redis.call('HMGET', KEYS[2], 'schema', 'dropped')
if not meta[1] then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local push = redis.call('HMGET', KEYS[3], 'owner', 'until', 'passed', 'disabled')
if not push[3] then
  return redis.error_reply('NOGROUP the endpoint has not begun here')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local last = redis.call('XLEN', KEYS[1]) + (meta[2] or 0)
local passed = tonumber(push[3])
local lost, first, retries = 0, {}, {}
if push[4] then
  return {'disabled', 0, first, retries, math.max(last - passed, 0)}
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', ms, 'LIMIT', 0, ARGV[6])) do
  local id = string.match(member, '^%S+')
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then
    redis.call('ZADD', KEYS[4], ms + ARGV[7], member)
    table.insert(retries, {member, entry})
  else
    redis.call('ZREM', KEYS[4], member)
    lost = lost + 1
  end
end

if push[1] and push[1] ~= ARGV[2] and tonumber(push[2]) > ms then
  return {'taken', lost, first, retries, math.max(last - passed, 0)}
end

local function read(from, count)
  local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], 'relay', 'COUNT', count, 'STREAMS', KEYS[1], from)
  return reply and reply[1] and reply[1][2] or {}
end

-- Pending beyond what the owner has in its hands: an owner before it died with them, or a reply was lost.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])[1]
if pending > 0 and (push[1] ~= ARGV[2] or pending > tonumber(ARGV[4])) then
  for _, entry in ipairs(read('0', 1000)) do
    if entry[2] then
      table.insert(first, entry)
    else
      redis.call('XACK', KEYS[1], ARGV[1], entry[1])
      pending = pending - 1
      lost = lost + 1
    end
  end
end
if tonumber(ARGV[5]) > 0 then
  local dropped = tonumber(meta[2] or 0)
  if dropped > passed then
    lost = lost + dropped - passed
    passed = dropped
  end
  local fresh = read('>', ARGV[5])
  for _, entry in ipairs(fresh) do
    table.insert(first, entry)
  end
  pending = pending + #fresh
  passed = passed + #fresh
  if #fresh < tonumber(ARGV[5]) then
    passed = last
  end
  if passed ~= tonumber(push[3]) then
    redis.call('HSET', KEYS[3], 'passed', passed)
  end
end
local standing = 'idle'
if pending > 0 then
  standing = 'owned'
  redis.call('HSET', KEYS[3], 'owner', ARGV[2], 'until', ms + ARGV[3])
elseif push[1] then
  redis.call('HDEL', KEYS[3], 'owner', 'until')
end
return {standing, lost, first, retries, math.max(last - passed, 0)}

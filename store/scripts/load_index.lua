-- Reads one partition's part of a page of orders, the highest scores first.
-- KEYS[1] index  KEYS[2] meta
-- ARGV[1] highest score  ARGV[2] among entries of that score, only members below this one ('' all)
-- ARGV[3] lowest score  ARGV[4] most entries to return
-- Returns scores and members, taking turns, or the error NOMETA. There may be more than ARGV[4].
-- One script: save_order.lua may split a bucket between the reads of the directory and of the bucket.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local high, below, low, most = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- Reports whether a member sorts below ARGV[2], by bytes: Lua's own comparison depends on the server's locale.
local function isBelow(member)
  for i = 1, math.min(#member, #below) do
    local a, b = string.byte(member, i), string.byte(below, i)
    if a ~= b then
      return a < b
    end
  end
  return #member < #below
end
local found = {}
-- Appends the entries of a bucket in which all have the same score. It may have any number of them.
local function appendOneScore(bucket)
  local score = redis.call('ZRANGE', bucket, 0, 0, 'WITHSCORES')[2]
  local members = {}
  if tonumber(score) == high and below ~= '' then
    members = redis.call('ZREVRANGEBYLEX', bucket, '(' .. below, '-', 'LIMIT', 0, most)
  elseif tonumber(score) <= high and tonumber(score) >= low then
    members = redis.call('ZREVRANGE', bucket, 0, most - 1)
  end
  for _, member in ipairs(members) do
    found[#found + 1] = score
    found[#found + 1] = member
  end
end
-- Appends the entries of a bucket that Redis packs: it has at most 128.
local function appendPacked(bucket)
  local entries = redis.call('ZREVRANGEBYSCORE', bucket, ARGV[1], ARGV[3], 'WITHSCORES')
  for i = 1, #entries, 2 do
    if below == '' or tonumber(entries[i + 1]) < high or isBelow(entries[i]) then
      found[#found + 1] = entries[i + 1]
      found[#found + 1] = entries[i]
    end
  end
end
for skipped = 0, math.huge do
  local start = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'LIMIT', skipped, 1)[1]
  if not start then
    break
  end
  local bucket = KEYS[1] .. ':' .. start
  if redis.call('ZCARD', bucket) > 128 then
    appendOneScore(bucket)
  else
    appendPacked(bucket)
  end
  if #found >= 2 * most or tonumber(start) <= low then
    break
  end
end
return found

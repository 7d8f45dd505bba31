-- Writes an order and everything that follows from a change of it, if the order was not written since
-- it was loaded.
-- KEYS[1] order  KEYS[2] meta  KEYS[3] events  KEYS[4] reads  KEYS[5] sweep  KEYS[6] attention
-- KEYS[7] index of orders by creation  KEYS[8] index of orders by customer
-- ARGV[1] revision that the order was loaded with ('' it was not stored)  ARGV[2] its next revision;
--         each ends with a line feed
-- ARGV[3] order id  ARGV[4] channel  ARGV[5] payload of the hint ('' no hint)
-- ARGV[6] milliseconds until the order may expire ('' never, 'keep' as before)
-- ARGV[7] oldest stream id to keep, as <ms>-0 ('' do not trim now)
-- ARGV[8] Unix milliseconds at which a worker looks at the order ('' never, 'keep' as before)
-- ARGV[9] Unix milliseconds until which the change may be written ('' always)
-- ARGV[10…] seven lists, each after its length:
--   fields of the payments in question, which a conflict returns
--   fields and values to set, taking turns
--   fields to remove
--   payments and Unix milliseconds of their reads ('' no read is wanted), taking turns
--   payments and Unix milliseconds of their sweeps ('' the payment is final), taking turns
--   changes of the indexes, each as index (created or customer), ZADD or ZREM, score and member
--   stream entries, each as its length, fields and values
-- Returns {'saved', seconds, microseconds}; after a conflict {'conflict', ...} with the values of
-- load_order.lua; or the error NOMETA.
-- One script: the comparison of the revision and all the writes take effect together, or none does.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local packed = 128 -- most entries of a zset that Redis packs, by default (zset-max-listpack-entries)
-- Returns the start of the bucket that a score belongs to, as the directory names it; nil if there is none.
local function bucketOf(directory, score)
  return redis.call('ZREVRANGEBYSCORE', directory, score, '-inf', 'LIMIT', 0, 1)[1]
end
-- Returns the score of the entry at a rank of a bucket.
local function scoreAt(bucket, rank)
  return string.format('%.0f', tonumber(redis.call('ZRANGE', bucket, rank, rank, 'WITHSCORES')[2]))
end
-- Moves the entries from a score on into a new bucket.
local function split(directory, bucket, score)
  local moved = redis.call('ZRANGEBYSCORE', bucket, score, '+inf', 'WITHSCORES')
  for i = 1, #moved, 2 do
    redis.call('ZADD', directory .. ':' .. score, moved[i + 1], moved[i])
  end
  redis.call('ZREMRANGEBYSCORE', bucket, score, '+inf')
  redis.call('ZADD', directory, score, score)
end
-- Makes room for a score in a full bucket. Entries of one score stay together, also if they are more than packed.
local function makeRoom(directory, start, score)
  local bucket = directory .. ':' .. start
  local first, last = scoreAt(bucket, 0), scoreAt(bucket, -1)
  if tonumber(score) > tonumber(last) then
    redis.call('ZADD', directory, score, score) -- a new bucket for the newest; this one stays full
  elseif first == last and tonumber(score) < tonumber(first) then
    redis.call('RENAME', bucket, directory .. ':' .. first)
    redis.call('ZADD', directory, first, first)
  elseif first ~= last then
    local middle = scoreAt(bucket, packed / 2)
    if middle == first then
      local rest = redis.call('ZRANGEBYSCORE', bucket, '(' .. first, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      middle = string.format('%.0f', tonumber(rest[2]))
    end
    split(directory, bucket, middle)
  end
end
-- Adds an entry to an index.
local function add(directory, score, member)
  local start = bucketOf(directory, score)
  if start and redis.call('ZCARD', directory .. ':' .. start) >= packed then
    makeRoom(directory, start, score)
    start = bucketOf(directory, score)
  elseif not start then
    start = '0'
    redis.call('ZADD', directory, 0, start)
  end
  redis.call('ZADD', directory .. ':' .. start, score, member)
end
-- Removes an entry from an index, and its bucket from the directory if it is empty then.
local function remove(directory, score, member)
  local start = bucketOf(directory, score)
  local bucket = directory .. ':' .. (start or '')
  if start and redis.call('ZREM', bucket, member) == 1 and redis.call('EXISTS', bucket) == 0 then
    redis.call('ZREM', directory, start)
  end
end
local now = redis.call('TIME')
local stored = redis.call('HGET', KEYS[1], 'order')
if stored and string.sub(stored, 1, #ARGV[2]) == ARGV[2] then
  return {'saved', now[1], now[2]} -- an earlier call has written it, and its reply was lost
end
local at = 10
local moved
if stored then
  moved = ARGV[1] == '' or string.sub(stored, 1, #ARGV[1]) ~= ARGV[1]
else
  moved = ARGV[1] ~= ''
  if redis.call('EXISTS', KEYS[1]) == 1 then
    moved, stored = true, '' -- it has other fields only: readers report an error
  end
end
if ARGV[9] ~= '' and now[1] * 1000 + math.floor(now[2] / 1000) > tonumber(ARGV[9]) then
  moved = true -- since it was loaded, another master may have taken over, without the newest writes
end
if moved then
  local reply = {'conflict', now[1], now[2], stored}
  local records = tonumber(ARGV[at])
  for i = 1, records do
    reply[4 + i] = redis.call('HGET', KEYS[1], ARGV[at + i])
  end
  if stored and string.match(stored, '^[^\n]*\n\2') then
    local number, blocks = 0
    repeat -- as in load_order.lua
      local names = {}
      for i = 1, 16 do
        names[i] = 'attempts:' .. (number + i - 1)
      end
      blocks = redis.call('HMGET', KEYS[1], unpack(names))
      for i = 1, 16 do
        reply[4 + records + number + i] = blocks[i] or nil
      end
      number = number + 16
    until not blocks[16]
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
count = tonumber(ARGV[at])
for i = at + 1, at + count, 4 do
  local change = ARGV[i + 1] == 'ZADD' and add or remove
  change(ARGV[i] == 'created' and KEYS[7] or KEYS[8], ARGV[i + 2], ARGV[i + 3])
end
at = at + 1 + count
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
  -- Each write drops at most 64 old entries, which is more than it may append. A stream with many old ones (its
  -- partition was quiet, or EVENT_RETENTION was made shorter) loses them over many writes: dropping all in one write
  -- would block Redis.
  local old = redis.call('XRANGE', KEYS[3], '-', '(' .. ARGV[7], 'COUNT', 65)
  if #old > 0 then
    local keep = ARGV[7]
    if #old == 65 then
      keep = table.remove(old)[1]
    end
    redis.call('HINCRBY', KEYS[2], 'dropped', redis.call('XTRIM', KEYS[3], 'MINID', keep))
    -- A cursor at or after the newest entry dropped has missed nothing.
    redis.call('HSET', KEYS[2], 'trimmed', old[#old][1])
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

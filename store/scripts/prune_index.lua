-- Takes orders that are gone out of one bucket of an index.
-- KEYS[1] index  KEYS[2] meta
-- ARGV[1] score from which to look for the bucket  ARGV[2] first rank to look at  ARGV[3] prefix of the orders' keys
-- ARGV[4] characters of a member before the order's id
-- Returns {score and rank to go on with, or false at the end, entries taken out}, or the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local starts = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'LIMIT', 0, 2)
if not starts[1] then
  return {false, 0, 0}
end
local bucket, rank, count = KEYS[1] .. ':' .. starts[1], tonumber(ARGV[2]), 128
local members = redis.call('ZRANGE', bucket, rank, rank + count - 1)
local gone = 0
for _, member in ipairs(members) do
  if redis.call('EXISTS', ARGV[3] .. string.sub(member, tonumber(ARGV[4]) + 1)) == 0 then
    gone = gone + redis.call('ZREM', bucket, member)
  end
end
if #members == count then
  return {starts[1], rank + count - gone, gone}
end
if redis.call('EXISTS', bucket) == 0 then
  redis.call('ZREM', KEYS[1], starts[1])
end
return {starts[2] or false, 0, gone}

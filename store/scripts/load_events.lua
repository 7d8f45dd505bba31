-- Reads one partition's part of the feed.
-- KEYS[1] events  KEYS[2] meta
-- ARGV[1] first stream id, XRANGE's syntax  ARGV[2] how many at most  ARGV[3] '1' for only the newest
-- Returns {Unix milliseconds, epoch, id of the newest entry dropped, or false, entries}, or the error NOMETA.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'trimmed', 'schema')
if not meta[3] then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local entries
if ARGV[3] == '1' then
  entries = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
else
  entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
end
return {ms, meta[1], meta[2], entries}

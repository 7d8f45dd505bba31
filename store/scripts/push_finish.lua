-- Removes deliveries to some endpoints that were made or skipped, and logs those that were made.
-- KEYS[1] events  KEYS[2] meta, then for each endpoint: retries, log
-- ARGV[1] most lines of a log to keep, then for each endpoint its group and three lists, each after
--         its length: stream ids of first deliveries; members of retries; lines of the log, oldest first
-- Returns 1, or the error NOMETA.
-- One script: rewrite_events.lua relies on a log that shows each delivery as soon as it is removed.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = string.format('%.0f ', now[1] * 1000 + math.floor(now[2] / 1000))
local most = tonumber(ARGV[1])
local at = 2

local function list(prefix)
  local values, count = {}, tonumber(ARGV[at])
  for i = 1, count do
    values[i] = prefix .. ARGV[at + i]
  end
  at = at + count + 1
  return values
end

for i = 3, #KEYS, 2 do
  local group = ARGV[at]
  at = at + 1
  local ids, members, lines = list(''), list(''), list(ms)
  if #ids > 0 then
    redis.call('XACK', KEYS[1], group, unpack(ids))
  end
  if #members > 0 then
    redis.call('ZREM', KEYS[i], unpack(members))
  end
  if #lines > 0 and redis.call('LPUSH', KEYS[i + 1], unpack(lines)) > most then
    redis.call('LTRIM', KEYS[i + 1], 0, most - 1)
  end
end
return 1

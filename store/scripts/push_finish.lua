-- Removes deliveries that have been made, and logs them.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] retries  KEYS[4] log
-- ARGV[1] group  ARGV[2] how many lines of the log to keep  ARGV[3] how many first deliveries, then their stream ids
-- then how many retries, then their members, then the lines of the log, oldest first
-- Returns 1, or the error NOMETA.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local at = 3
local function list()
  local values = {}
  local count = tonumber(ARGV[at])
  for i = 1, count do
    values[i] = ARGV[at + i]
  end
  at = at + count + 1
  return values, count
end
local ids, count = list()
if count > 0 then
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
end
local members
members, count = list()
if count > 0 then
  redis.call('ZREM', KEYS[3], unpack(members))
end
if at <= #ARGV then
  local now = redis.call('TIME')
  local ms = string.format('%.0f ', now[1] * 1000 + math.floor(now[2] / 1000))
  local lines = {}
  for i = at, #ARGV do
    lines[#lines + 1] = ms .. ARGV[i]
  end
  redis.call('LPUSH', KEYS[4], unpack(lines))
  redis.call('LTRIM', KEYS[4], 0, ARGV[2] - 1)
end
return 1

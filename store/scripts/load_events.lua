-- Reads one partition's part of the feed.
-- KEYS[1] events  KEYS[2] meta
-- ARGV[1] stream id after which to read  ARGV[2] most entries to return
-- ARGV[3] '1' to return only the newest entry  ARGV[4] most entries to examine with a filter
-- ARGV[5] order id of the entries wanted ('' all)  ARGV[6…] types of the entries wanted (none: all)
-- Returns {Unix milliseconds, epoch, id of the newest entry dropped or false, entries, id of the last
-- entry examined or false, entries examined}, or the error NOMETA.
-- One script: the entries and the id of the newest entry dropped must be of one moment. Otherwise an
-- entry trimmed in between would be missing from the feed without a trace.
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'trimmed', 'schema')
if not meta[3] then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if ARGV[3] == '1' then
  return {ms, meta[1], meta[2], redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1), false, 0}
end
local wanted, most, look = {}, tonumber(ARGV[2]), tonumber(ARGV[4])
for i = 6, #ARGV do
  wanted[ARGV[i]] = true
end
local typed, order = #ARGV > 5, ARGV[5]
local filtered = typed or order ~= ''
if not filtered then
  look = most
end
local function matches(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'type' and typed and not wanted[fields[i + 1]] then
      return false
    end
    -- In a view the order's id stands before any text that a caller may have set.
    if fields[i] == 'data' and order ~= '' and string.match(fields[i + 1], '"order_id":"([^"]*)"') ~= order then
      return false
    end
  end
  return true
end
local entries, passed, looked = {}, ARGV[1], 0
while #entries < most and looked < look do
  local count = filtered and math.min(look - looked, 100) or most
  local page = redis.call('XRANGE', KEYS[1], '(' .. passed, '+', 'COUNT', count)
  for _, entry in ipairs(page) do
    if #entries == most then
      break
    end
    passed, looked = entry[1], looked + 1
    if matches(entry[2]) then
      entries[#entries + 1] = entry
    end
  end
  if #page < count then
    break
  end
end
return {ms, meta[1], meta[2], entries, looked > 0 and passed, looked}

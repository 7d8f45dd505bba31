-- Reads an order, its current payment and the payments in question, together with Redis's clock, which dates the next
-- write.
-- KEYS[1] order  KEYS[2] meta
-- ARGV    ids of the payments in question
-- Returns {seconds, microseconds, revision, order, id of the current payment, its record, record of each in question}; false
-- stands for what is missing. A revision of '' is that of an order that has other fields, and no revision. The absence of
-- an order is believed only in a partition that is marked as ours; otherwise it is the error NOMETA.
local now = redis.call('TIME')
local head = redis.call('HMGET', KEYS[1], 'rev', 'order', 'current')
if not head[1] then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    head[1] = '' -- it has no revision: readers take that for an error
  elseif redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
    return redis.error_reply('NOMETA this partition is not initialised')
  end
end
local reply = {now[1], now[2], head[1], head[2], head[3]}
local fields = {'record:' .. (head[3] or '')}
for _, id in ipairs(ARGV) do
  fields[#fields + 1] = 'record:' .. id
end
for _, record in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  reply[#reply + 1] = record
end
return reply

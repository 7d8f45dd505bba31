-- Reads an order, its current payment and the payments in question, together with Redis's clock, which dates whatever is
-- written next.
-- KEYS[1] order
-- ARGV    ids of the payments in question
-- Returns {seconds, microseconds, revision, order, id of the current payment, its record, record of each in question}; false
-- stands for what is missing.
local now = redis.call('TIME')
local head = redis.call('HMGET', KEYS[1], 'rev', 'order', 'current')
local reply = {now[1], now[2], head[1], head[2], head[3]}
local fields = {'record:' .. (head[3] or '')}
for _, id in ipairs(ARGV) do
  fields[#fields + 1] = 'record:' .. id
end
for _, record in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
  reply[#reply + 1] = record
end
return reply

-- Reads an order and the payments in question, together with Redis's clock, which dates the next write.
-- KEYS[1] order  KEYS[2] meta
-- ARGV    fields of the payments in question
-- Returns {seconds, microseconds, order, record of each in question, each block of earlier attempts}; false stands for what
-- is missing. An order of '' is one that has other fields: readers take that for an error. The absence of an order is
-- believed only in a partition that is marked as ours; otherwise it is the error NOMETA.
local now = redis.call('TIME')
local reply = redis.call('HMGET', KEYS[1], 'order', unpack(ARGV))
if not reply[1] then
  if redis.call('EXISTS', KEYS[1]) == 1 then
    reply[1] = ''
  elseif redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
    return redis.error_reply('NOMETA this partition is not initialised')
  end
end
local stored = reply[1]
reply = {now[1], now[2], unpack(reply, 1, 1 + #ARGV)}
if stored and string.match(stored, '^[^\n]*\n\2') then
  local number, block = 0, redis.call('HGET', KEYS[1], 'attempts:0')
  while block do
    reply[4 + #ARGV + number] = block
    number = number + 1
    block = redis.call('HGET', KEYS[1], 'attempts:' .. number)
  end
end
return reply

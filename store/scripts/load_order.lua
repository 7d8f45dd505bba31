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
  local number, blocks = 0
  repeat -- a few commands for many blocks: each block by itself took as long as the rest of the script
    local names = {}
    for i = 1, 16 do
      names[i] = 'attempts:' .. (number + i - 1)
    end
    blocks = redis.call('HMGET', KEYS[1], unpack(names))
    for i = 1, 16 do
      reply[3 + #ARGV + number + i] = blocks[i] or nil
    end
    number = number + 16
  until not blocks[16]
end
return reply

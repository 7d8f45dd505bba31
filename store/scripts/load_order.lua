-- Reads an order and the payments in question, together with Redis's clock, which dates the next write.
-- KEYS[1] order  KEYS[2] meta
-- ARGV    fields of the payments in question
-- Returns {seconds, microseconds, order, record of each payment in question, each block of earlier
-- attempts}, with false for each that is missing; or the error NOMETA. An order '' has other fields
-- only: readers report an error.
-- One script: an order is absent only if the partition had our mark at the same moment. The blocks
-- must be of the same write as the order.
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
  -- An order with blocks of earlier attempts. A few commands read many blocks, with literal names, since building the
  -- names took a third of the script's time.
  local at = 3 + #ARGV
  local blocks = redis.call('HMGET', KEYS[1],
    'attempts:0', 'attempts:1', 'attempts:2', 'attempts:3', 'attempts:4', 'attempts:5', 'attempts:6', 'attempts:7',
    'attempts:8', 'attempts:9', 'attempts:10', 'attempts:11', 'attempts:12', 'attempts:13', 'attempts:14',
    'attempts:15')
  for i = 1, 16 do
    reply[at + i] = blocks[i] or nil
  end
  if blocks[16] then
    blocks = redis.call('HMGET', KEYS[1],
      'attempts:16', 'attempts:17', 'attempts:18', 'attempts:19', 'attempts:20', 'attempts:21', 'attempts:22',
      'attempts:23', 'attempts:24', 'attempts:25', 'attempts:26', 'attempts:27', 'attempts:28', 'attempts:29',
      'attempts:30', 'attempts:31', 'attempts:32', 'attempts:33', 'attempts:34', 'attempts:35', 'attempts:36',
      'attempts:37', 'attempts:38', 'attempts:39', 'attempts:40', 'attempts:41', 'attempts:42', 'attempts:43',
      'attempts:44', 'attempts:45', 'attempts:46', 'attempts:47', 'attempts:48', 'attempts:49', 'attempts:50',
      'attempts:51', 'attempts:52', 'attempts:53', 'attempts:54', 'attempts:55', 'attempts:56', 'attempts:57',
      'attempts:58', 'attempts:59', 'attempts:60', 'attempts:61', 'attempts:62', 'attempts:63')
    for i = 1, 48 do
      reply[at + 16 + i] = blocks[i] or nil
    end
  end
  local number = 64
  while blocks[48] do
    local names = {}
    for i = 1, 48 do
      names[i] = 'attempts:' .. (number + i - 1)
    end
    blocks = redis.call('HMGET', KEYS[1], unpack(names))
    for i = 1, 48 do
      reply[at + number + i] = blocks[i] or nil
    end
    number = number + 48
  end
end
return reply

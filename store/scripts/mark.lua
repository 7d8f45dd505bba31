-- Marks a partition as ours, unless it has a mark already or is being rebuilt.
-- KEYS[1] key of the new mark: meta or rebuild  KEYS[2] the other of the two
-- ARGV    fields and values of the mark
-- Returns the mark that the partition has then, as HGETALL does.
-- One script: two processes that start at once must not mix their marks.
for _, key in ipairs(KEYS) do
  if redis.call('HEXISTS', key, 'schema') == 1 then
    return redis.call('HGETALL', key)
  end
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return redis.call('HGETALL', KEYS[1])

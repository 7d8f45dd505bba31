-- Marks a partition as ours, unless it is marked already, or is being rebuilt.
-- KEYS[1] key of the mark, meta or rebuild  KEYS[2] the other
-- ARGV    fields and values of the mark
-- Returns the mark as it stands then, as HGETALL does.
for _, key in ipairs(KEYS) do
  if redis.call('HEXISTS', key, 'schema') == 1 then
    return redis.call('HGETALL', key)
  end
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return redis.call('HGETALL', KEYS[1])

-- Marks a partition as ours, unless it is marked already.
-- KEYS[1] meta
-- ARGV    fields and values of the mark
-- Returns the mark as it stands then, as HGETALL does.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV))
end
return redis.call('HGETALL', KEYS[1])

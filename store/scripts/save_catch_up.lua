-- Stores the moment up to which Stripe's events have been caught up with. It never goes back.
-- KEYS[1] catchup  KEYS[2] meta
-- ARGV[1] Unix seconds
-- Returns 1, or the error NOMETA.
-- One script: a later moment that another process writes must not be overwritten.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local known = redis.call('GET', KEYS[1])
if not known or tonumber(known) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1

-- Registers an endpoint in a partition, at the end of the stream, unless it is registered.
-- KEYS[1] events  KEYS[2] meta  KEYS[3] push
-- ARGV[1] group
-- Returns 1, 0 if it was registered before, or the error NOMETA.
-- One script: the group's position and the count of entries that it has passed must be of one moment.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '$', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then
  return made
end
local dropped = redis.call('HGET', KEYS[2], 'dropped') or 0
return redis.call('HSETNX', KEYS[3], 'passed', redis.call('XLEN', KEYS[1]) + dropped)

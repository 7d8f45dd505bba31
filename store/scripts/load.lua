-- Reads fields of a record together with Redis's clock, which dates whatever is written next.
-- KEYS[1] payment or order
-- ARGV    the fields
-- Returns {seconds, microseconds, {value or false, …}}.
local now = redis.call('TIME')
return {now[1], now[2], redis.call('HMGET', KEYS[1], unpack(ARGV))}

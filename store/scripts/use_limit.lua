-- Uses one request of a limit. The only value stored is full, the Unix microsecond at which all
-- requests of a period are available again. Each request moves it on by one share of the period. A
-- value further ahead than one period is ignored: the clock has gone back since it was stored, or the
-- period was longer. So no caller waits longer than the period.
-- KEYS[1] limit
-- ARGV[1] requests in a period, all of which may be made at once  ARGV[2] the period in microseconds
-- ARGV[3] requests that must be left for others  ARGV[4] '0' to use none, and only look
-- Returns {requests left, microseconds until this one may be made}; 0 microseconds if it was used.
-- One script: concurrent requests must not use the same share.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local count, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local share = period / count
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now or full > now + period then
  full = now
end
local function left()
  return math.floor((now + period - full) / share + 0.001) -- a share may not be a whole number of microseconds
end
if ARGV[4] == '0' then
  return {left(), 0}
end
local wait = full + share * (1 + ARGV[3]) - period - now
if wait > 0.5 then
  return {left(), math.ceil(wait)}
end
full = full + share
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {left(), 0}

-- Takes one of so many requests in a period. Of each limit one moment is kept: when all of them may be made again. Each
-- request moves it on by its share of the period. One further ahead than the period is none that this limit has set: the
-- clock has gone back since, or the period was longer. It counts as fresh, so that no caller waits longer than the period.
-- KEYS[1] limit
-- ARGV[1] how many in a period, all of them at once if none was made before  ARGV[2] the period in microseconds
-- ARGV[3] how many have to be left for others  ARGV[4] '0' to take none, and look only
-- Returns {how many are left, microseconds until this one may be made}; 0 microseconds if it was taken.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local count, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local share = period / count
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now or full > now + period then
  full = now
end
local function left()
  return math.floor((now + period - full) / share + 0.001) -- the shares of many are no whole microseconds
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

-- Changes the circuit of an endpoint. Its fields are failing (Unix milliseconds since which it is
-- open; absent: closed), pause (milliseconds), probe (Unix milliseconds at which the next probe is
-- due), and wait (milliseconds from the moment at which probe was set to probe).
-- KEYS[1] meta  KEYS[2] push
-- ARGV[1] open, close, claim, delay, or now, which makes the next probe due
-- open, delay: ARGV[2] shortest pause  ARGV[3] longest pause
--              ARGV[4] milliseconds before which no probe is due
-- claim:       ARGV[2] milliseconds for which the probe is the caller's
-- Returns {1 if the circuit changed, else 0, milliseconds until the next probe}, or the error NOMETA.
-- One script: of all processes only one may open the circuit, and only one may claim a probe.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local circuit = redis.call('HMGET', KEYS[2], 'failing', 'pause', 'probe', 'wait')

-- Returns the milliseconds until the next probe. A pause longer than the one that was set is over: the clock has gone
-- back since then.
local function untilProbe()
  local left = circuit[1] and circuit[3] - ms or 0
  if circuit[4] and left > tonumber(circuit[4]) then
    return 0
  end
  return math.max(left, 0)
end

-- Makes the next probe due after some milliseconds.
local function setProbe(wait)
  redis.call('HSET', KEYS[2], 'probe', ms + wait, 'wait', wait)
end

if ARGV[1] == 'close' then
  return {redis.call('HDEL', KEYS[2], 'failing', 'pause', 'probe', 'wait') > 0 and 1 or 0, 0}
end
if ARGV[1] == 'now' then
  if circuit[1] then
    setProbe(0)
  end
  return {circuit[1] and 1 or 0, 0}
end
if ARGV[1] == 'claim' then
  if not circuit[1] or untilProbe() > 0 then
    return {0, untilProbe()}
  end
  setProbe(tonumber(ARGV[2]))
  return {1, tonumber(ARGV[2])}
end
if (ARGV[1] == 'open') == (circuit[1] ~= false) then
  return {0, untilProbe()}
end
local pause = tonumber(ARGV[2])
if ARGV[1] == 'delay' then
  pause = math.min(math.floor(circuit[2] * 3 / 2), tonumber(ARGV[3]))
end
local next = math.max(pause, tonumber(ARGV[4]))
redis.call('HSET', KEYS[2], 'failing', circuit[1] or ms, 'pause', pause)
setProbe(next)
return {1, next}

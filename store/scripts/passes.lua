-- Changes the passes of reconciliation that commands request. Each request is a field, named by its id:
-- <until> <asked> <from> <verify> <state> <holder> <result>. until (when the request expires) and asked
-- (when it was made) are Unix milliseconds. from is a Unix second. verify is 0 or 1. state is waiting,
-- running or done. holder is - while it is waiting.
-- KEYS[1] passes  KEYS[2] meta
-- ARGV[1] request, withdraw, claim or report
-- ARGV[2] milliseconds after which a request expires, unless it is repeated
-- request:  ARGV[3] request  ARGV[4] from  ARGV[5] verify
--           ARGV[6] channel  ARGV[7] hint that a new request publishes there
-- withdraw: ARGV[3] request
-- claim:    ARGV[3] holder, who starts the oldest request that is not done
-- report:   ARGV[3] request  ARGV[4] holder  ARGV[5] running or done  ARGV[6] result
-- Returns for request {1 if no older one is unfinished, else 0, state, holder, result}, for claim
-- {request, from, verify} or {}, for withdraw 1 if the request existed, and for report 1 if it is the
-- holder's; else 0. Or the error NOMETA.
-- One script: commands and the holder change the same requests at the same time.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local lasts = tonumber(ARGV[2])

local all, oldest = {}, nil
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local until_, asked, from, verify, state, holder, result =
    string.match(stored[i + 1], '^(%d+) (%d+) (%d+) (%d) (%a+) (%S+) (.*)$')
  local left = until_ and until_ - ms or 0
  if left <= 0 or left > lasts then -- it has expired, or the clock has gone back
    redis.call('HDEL', KEYS[1], stored[i])
  else
    local pass = {id = stored[i], till = until_, asked = tonumber(asked), from = from, verify = verify, state = state,
      holder = holder, result = result}
    all[pass.id] = pass
    local older = oldest == nil or pass.asked < oldest.asked or pass.asked == oldest.asked and pass.id < oldest.id
    if state ~= 'done' and older then
      oldest = pass
    end
  end
end

local function save(pass)
  redis.call('HSET', KEYS[1], pass.id, table.concat({pass.till, string.format('%.0f', pass.asked), pass.from,
    pass.verify, pass.state, pass.holder, pass.result}, ' '))
end

if ARGV[1] == 'claim' then
  if not oldest then
    return {}
  end
  oldest.state, oldest.holder, oldest.result = 'running', ARGV[3], ''
  save(oldest)
  return {oldest.id, oldest.from, oldest.verify}
end
local pass = all[ARGV[3]]
if ARGV[1] == 'withdraw' then
  return redis.call('HDEL', KEYS[1], ARGV[3])
end
if ARGV[1] == 'report' then
  if not pass or pass.holder ~= ARGV[4] then
    return 0
  end
  pass.state, pass.result = ARGV[5], ARGV[6]
  save(pass)
  return 1
end
if not pass then
  pass = {id = ARGV[3], asked = ms, from = ARGV[4], verify = ARGV[5], state = 'waiting', holder = '-', result = ''}
  redis.call('PUBLISH', ARGV[6], ARGV[7])
end
pass.till = string.format('%.0f', ms + lasts)
save(pass)
redis.call('PEXPIRE', KEYS[1], lasts)
return {(not oldest or oldest.id == pass.id) and 1 or 0, pass.state, pass.holder, pass.result}

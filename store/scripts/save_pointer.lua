-- Stores the pointer from a payment to its order. A pointer never changes its order, and never ends
-- sooner than before.
-- KEYS[1] pointer  KEYS[2] meta
-- ARGV[1] order id  ARGV[2] Unix milliseconds at which the pointer ends
-- Returns the order that the pointer leads to, or the error NOMETA.
-- One script: a pointer always has an end, and of two concurrent calls the later end stays.
if redis.call('HEXISTS', KEYS[2], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'NX')
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'GT')
return redis.call('GET', KEYS[1])

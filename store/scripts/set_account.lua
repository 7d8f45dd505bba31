-- Stores the Stripe account in a mark that has none.
-- KEYS[1] meta
-- ARGV[1] account
-- Returns the account in the mark, or the error NOMETA.
-- One script: of two processes that start at once with different accounts, only one sets its own.
if redis.call('HEXISTS', KEYS[1], 'schema') == 0 then
  return redis.error_reply('NOMETA this partition is not initialised')
end
local account = redis.call('HGET', KEYS[1], 'account')
if not account or account == '' then
  redis.call('HSET', KEYS[1], 'account', ARGV[1])
  return ARGV[1]
end
return account

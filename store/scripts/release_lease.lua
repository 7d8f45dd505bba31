-- Ends a lease, if it is the caller's.
-- KEYS[1] lease
-- ARGV[1] owner
-- Returns 1 if it was the caller's, else 0.
-- One script: another process may take an expired lease between the check and the removal.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])

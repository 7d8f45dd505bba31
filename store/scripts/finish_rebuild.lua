-- Makes the mark of a partition that has been rebuilt the one that all processes look at.
-- KEYS[1] rebuild  KEYS[2] meta
-- Returns 1, or 0 if the partition was not being rebuilt.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1

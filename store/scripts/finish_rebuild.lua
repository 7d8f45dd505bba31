-- Opens a rebuilt partition to all processes. The key of the rebuild's mark becomes meta, which all
-- processes check.
-- KEYS[1] rebuild  KEYS[2] meta
-- Returns 1, or 0 if the partition was not being rebuilt.
-- One script: it may run again after its reply was lost, and RENAME without a source is an error.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1

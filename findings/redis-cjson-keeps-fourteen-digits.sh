#!/bin/sh
# cjson in Redis keeps 14 digits of a number, not 2^53
#
# Guess (40): cjson.encode of an integer below 2^53, microseconds for example, keeps its digits.
# Behaviour:  from 10^14 on the number becomes an exponent with 14 digits; encoding what was decoded
#             loses the same. An argument of redis.call keeps 17 digits, so that both ways differ in
#             one script.
# Versions:   redis-server 7.0.15 (Debian); the one on the PATH is used.
# Matters:    a time in microseconds, an id of a database or an amount in micro-units that passes
#             through a script as JSON is changed by up to 50, and no error says so. Milliseconds
#             (13 digits) pass.

. "$(dirname "$0")/lib/start.sh"
redis_alone
redis-cli -s socket eval "
	redis.call('SET', 'at', 1795822800123456)
	return {
		cjson.encode({at = 1795822800123}),
		cjson.encode({at = 99999999999999}),
		cjson.encode({at = 100000000000001}),
		cjson.encode({at = 1795822800123456}),
		cjson.encode(cjson.decode('{\"at\":1795822800123456}')),
		redis.call('GET', 'at')}" 0 >seen
compare <<'END'
{"at":1795822800123}
{"at":99999999999999}
{"at":1e+14}
{"at":1.7958228001235e+15}
{"at":1.7958228001235e+15}
1795822800123456
END

#!/bin/sh
# cjson in Redis keeps 14 digits of a number, not 2^53
#
# Guess (40): cjson.encode of an integer below 2^53, a time in microseconds for example, keeps all
#             digits.
# Behaviour:  from 10^14 on, the number is written with an exponent and 14 digits. Decoding and
#             encoding again loses the same digits. An argument of redis.call keeps 17 digits, so
#             that the two ways differ within one script.
# Versions:   redis-server 7.0.15 (Debian); the script uses the one on the PATH.
# Matters:    a time in microseconds, a database id or an amount in micro-units that passes through
#             a script as JSON changes by up to 50, without an error. Milliseconds (13 digits) stay
#             exact.

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

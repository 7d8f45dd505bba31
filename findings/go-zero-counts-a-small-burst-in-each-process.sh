#!/bin/sh
# go-zero's token limiter counts in each process when its burst is less than half its rate
#
# Guess (28 November, B23): three processes that share a TokenLimiter of 25 a second with a burst of
#             10 are allowed some ten requests of the same moment.
# Behaviour:  the script that counts in Redis gives its keys a TTL of 2 * burst / rate seconds,
#             rounded down. Below a second that is 0, which Redis refuses. The limiter logs the error
#             and uses a limiter in the process until Redis answers a PING, then tries again. So
#             Redis never counts, and each process allows the whole burst.
# Versions:   github.com/zeromicro/go-zero v1.10.3, redis-server 7.0.15 (Debian).
# Matters:    a limit of 25 a second protects Stripe's own limit. Each process that is added raises
#             it, and Stripe refuses payments with 429.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
until start_redis "-p $port" --port $port --bind 127.0.0.1; do port=$((port + 1)); done
export port
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/zeromicro/go-zero/core/limit"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/stores/redis"
)

func main() {
	logx.Disable()
	at := redis.RedisConf{Host: "127.0.0.1:" + os.Getenv("port"), Type: redis.NodeType}
	moment := time.Now()
	for _, burst := range []int{10, 12, 100} {
		allowed := 0
		for range 3 {
			process := limit.NewTokenLimiter(25, burst, redis.MustNewRedis(at), fmt.Sprint("burst-", burst))
			for range 40 {
				if process.AllowN(moment, 1) {
					allowed++
				}
			}
		}
		fmt.Printf("25 a second, burst %d: three processes are allowed %d at one moment\n", burst, allowed)
	}
}
END
go_modules github.com/zeromicro/go-zero@v1.10.3
./finding >seen
compare <<'END'
25 a second, burst 10: three processes are allowed 30 at one moment
25 a second, burst 12: three processes are allowed 36 at one moment
25 a second, burst 100: three processes are allowed 100 at one moment
END

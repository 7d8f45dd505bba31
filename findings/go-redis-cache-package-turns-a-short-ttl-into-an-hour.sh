#!/bin/sh
# go-redis/cache keeps an item with a TTL below one second for an hour
#
# Guess (13): an item without a TTL never expires. An item with a TTL of 500 ms is gone after a
#             second.
# Behaviour:  both expire after an hour. The package replaces a TTL below one second by its default.
#             It writes a line to Go's standard log, and returns no error. Redis itself accepts
#             milliseconds.
# Versions:   github.com/go-redis/cache/v9 v9.0.0, github.com/redis/go-redis/v9 v9.23.0,
#             redis-server 7.0.15 (Debian).
# Matters:    a page may cache a status or a price for half a second, and shows it for an hour.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: "socket"})
	items := cache.New(&cache.Options{Redis: client})
	for _, ttl := range []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond} {
		if err := items.Set(&cache.Item{Ctx: ctx, Key: "status", Value: "pending", TTL: ttl}); err != nil {
			panic(err)
		}
		kept := client.PTTL(ctx, "status").Val()
		fmt.Printf("TTL %v: Redis keeps it for more than a minute: %t\n", ttl, kept > time.Minute)
	}
}
END
go_modules github.com/go-redis/cache/v9@v9.0.0 github.com/redis/go-redis/v9@v9.23.0
./finding >seen 2>log
grep -o 'too short TTL' log >>seen
compare <<'END'
TTL 0s: Redis keeps it for more than a minute: true
TTL 500ms: Redis keeps it for more than a minute: true
TTL 1.5s: Redis keeps it for more than a minute: false
too short TTL
END

#!/bin/sh
# go-redis's client-side cache returns a key whose TTL has passed
#
# Guess (36): once the TTL of a key has passed, the cache does not return its value.
# Behaviour:  the cache has no TTL of its own and relies on Redis's invalidation messages. Redis
#             sends one when it removes the key: when another client reads the key, or when Redis's
#             background sampling finds it. Sampling takes long where many keys have a TTL.
#             MaxStaleness, off by default, limits the time.
# Versions:   github.com/redis/go-redis/v9 v9.23.0 (ClientSideCacheConfig), redis-server 7.0.15
#             (Debian).
# Matters:    a lock, a session or a reservation that has ended still looks held to a client that
#             has read it before.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	plain := redis.NewClient(&redis.Options{Network: "unix", Addr: "socket"})
	cached := redis.NewClient(&redis.Options{
		Network: "unix", Addr: "socket", Protocol: 3, ClientSideCacheConfig: &redis.ClientSideCacheConfig{},
	})

	// 200,000 sessions that live for a day keep Redis's background sampling from finding the lock soon.
	const sessions = `for i = 1, 10000 do redis.call('SET', ARGV[1] .. i, '1', 'EX', 86400) end return 1`
	for batch := range 20 {
		if err := plain.Eval(ctx, sessions, nil, fmt.Sprintf("session:%d:", batch)).Err(); err != nil {
			panic(err)
		}
	}
	if err := plain.Set(ctx, "lock", "held", 200*time.Millisecond).Err(); err != nil {
		panic(err)
	}
	for range 2 {
		cached.Get(ctx, "lock")
	}
	time.Sleep(time.Second)
	fmt.Println("a second after its TTL of 0.2 s, cached:", cached.Get(ctx, "lock").Val())
	fmt.Println("without a cache it is gone:", errors.Is(plain.Get(ctx, "lock").Err(), redis.Nil))
	for range 1000 {
		if errors.Is(cached.Get(ctx, "lock").Err(), redis.Nil) {
			fmt.Println("another client's read removed it, and the cache is notified")
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}
END
go_modules github.com/redis/go-redis/v9@v9.23.0
./finding >seen
compare <<'END'
a second after its TTL of 0.2 s, cached: held
without a cache it is gone: true
another client's read removed it, and the cache is notified
END

#!/bin/sh
# rueidis keeps "no such key" in its client-side cache after the slot has moved and the key was written
#
# Guess (38): after a slot has moved and another client has written the key, the next DoCache
#             returns the new value.
# Behaviour:  this is true of a key that existed: the move removes it from its old master, and the
#             old master sends an invalidation to the cache. A key that did not exist is not moved
#             and not removed, so no message is sent: DoCache returns "no such key" until its TTL
#             has passed. A hit does not reach Redis, so that the client gets no MOVED either.
# Versions:   github.com/redis/rueidis v1.0.79, redis-server 7.0.15 (Debian), a cluster of three
#             masters.
# Matters:    a payment, an entitlement or a feature flag that was read before it was written looks
#             missing after a resharding, until the TTL of the cache has passed.

. "$(dirname "$0")/lib/start.sh"
redis_cluster
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

func main() {
	ctx := context.Background()
	ports := strings.Fields(os.Getenv("ports"))
	connect := func(plain bool) rueidis.Client {
		address := []string{"127.0.0.1:" + ports[0]}
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: address, DisableCache: plain})
		if err != nil {
			panic(err)
		}
		return client
	}
	reader, writer := connect(false), connect(true)
	set := func(key, value string) {
		if err := writer.Do(ctx, writer.B().Set().Key(key).Value(value).Build()).Error(); err != nil {
			panic(err)
		}
	}
	show := func(when, key string) {
		answer := reader.DoCache(ctx, reader.B().Get().Key(key).Cache(), time.Hour)
		value, err := answer.ToString()
		if rueidis.IsRedisNil(err) {
			value = "no such key"
		}
		fmt.Printf("%s, %s: %s\n", when, key, value)
	}
	set("price", "1")
	for _, key := range []string{"price", "payment"} {
		show("before", key)
		move := exec.Command(os.Getenv("lib")+"/move-slot.sh", append([]string{key}, ports...)...)
		if out, err := move.CombinedOutput(); err != nil {
			panic(string(out))
		}
		set(key, "2")
	}
	time.Sleep(5 * time.Second)
	for _, key := range []string{"price", "payment"} {
		show("5 s after the slot moved and 2 was written", key)
	}
}
END
go_modules github.com/redis/rueidis@v1.0.79
./finding >seen
compare <<'END'
before, price: 1
before, payment: no such key
5 s after the slot moved and 2 was written, price: 2
5 s after the slot moved and 2 was written, payment: no such key
END

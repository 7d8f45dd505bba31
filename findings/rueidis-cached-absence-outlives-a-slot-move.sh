#!/bin/sh
# rueidis keeps "no such key" in its client-side cache after the key's slot has moved and the key was written
#
# Guess (38): after a slot has moved and another client has written the key, the next DoCache sees
#             the new value.
# Behaviour:  true of a key that was there: moving it removes it from its old master, which tells
#             the cache. A key that was absent is not moved, nothing is removed, and no message says so:
#             "no such key" is served until the TTL given to DoCache has passed. Hits do not reach
#             Redis, so that the client does not learn of the move by MOVED.
# Versions:   github.com/redis/rueidis v1.0.79, redis-server 7.0.15 (Debian), a cluster of three
#             masters.
# Matters:    a payment, an entitlement or a feature flag that was asked for before it was written
#             stays missing after a resharding, for as long as the cache's TTL.

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

#!/bin/sh
# SWAPDB changes each key of two databases, and Redis sends no invalidation to client-side caches
#
# Guess (28 November, B62): after SWAPDB the caches of clients show the values that were swapped in,
#             as they do after FLUSHDB.
# Behaviour:  Redis sends no invalidation. Each cache keeps the old values until a key is written, or
#             until the TTL of the cache has passed. A transaction that watches a key does notice the
#             swap: its EXEC fails. The same holds for redis 6.3.1 and valkey-glide 2.5.2 (npm).
# Versions:   redis-server 7.0.15 (Debian), github.com/redis/go-redis/v9 v9.23.0,
#             github.com/redis/rueidis v1.0.79.
# Matters:    a shop prepares its price list in database 1 and swaps it in. Some of its processes
#             charge the old prices for as long as they run.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

var ctx = context.Background()

// plain returns a client without a cache.
func plain(database int) *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: "socket", DB: database})
}

func main() {
	current, next := plain(0), plain(1)
	cached := redis.NewClient(&redis.Options{
		Network: "unix", Addr: "socket", Protocol: 3, ClientSideCacheConfig: &redis.ClientSideCacheConfig{},
	})
	dial := func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return net.Dial("unix", "socket")
	}
	reader, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"socket"}, DialCtxFn: dial, ForceSingleClient: true,
	})
	if err != nil {
		panic(err)
	}
	show := func(when string) {
		time.Sleep(time.Second)
		price, err := reader.DoCache(ctx, reader.B().Get().Key("price").Cache(), time.Hour).ToString()
		if rueidis.IsRedisNil(err) {
			price = "none"
		}
		fmt.Printf("%s: go-redis %s, rueidis %s, without a cache %s\n",
			when, value(cached), price, value(current))
	}
	set := func(client *redis.Client, price string) {
		if err := client.Set(ctx, "price", price, 0).Err(); err != nil {
			panic(err)
		}
	}
	set(current, "10 EUR")
	set(next, "12 EUR")
	show("before")
	err = current.Watch(ctx, func(tx *redis.Tx) error {
		if err := current.Do(ctx, "SWAPDB", 0, 1).Err(); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "order", "10 EUR", 0).Err() })
		return err
	}, "price")
	fmt.Println("EXEC fails after SWAPDB:", errors.Is(err, redis.TxFailedErr))
	show("after SWAPDB")
	set(current, "13 EUR")
	show("after SET")
	if err := current.FlushDB(ctx).Err(); err != nil {
		panic(err)
	}
	show("after FLUSHDB")
}

func value(client *redis.Client) string {
	price, err := client.Get(ctx, "price").Result()
	if errors.Is(err, redis.Nil) {
		return "none"
	}
	if err != nil {
		panic(err)
	}
	return price
}
END
go_modules github.com/redis/go-redis/v9@v9.23.0 github.com/redis/rueidis@v1.0.79
./finding >seen
compare <<'END'
before: go-redis 10 EUR, rueidis 10 EUR, without a cache 10 EUR
EXEC fails after SWAPDB: true
after SWAPDB: go-redis 10 EUR, rueidis 10 EUR, without a cache 12 EUR
after SET: go-redis 13 EUR, rueidis 13 EUR, without a cache 13 EUR
after FLUSHDB: go-redis none, rueidis none, without a cache none
END

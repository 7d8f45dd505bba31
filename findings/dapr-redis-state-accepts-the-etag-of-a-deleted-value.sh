#!/bin/sh
# dapr's Redis state store accepts the ETag of a value that was deleted and written again
#
# Guess (28 November, B4): a write with the ETag of the first value is refused, since the key has
#             another value now.
# Behaviour:  the ETag is a counter in the value's hash. It starts at 1 again when the key is deleted
#             or has expired. So the ETag of the first value matches the second one, and the write
#             replaces it without an error.
# Versions:   github.com/dapr/components-contrib v1.18.0, redis-server 7.0.15 (Debian).
# Matters:    a backend closes a basket and opens the next one with the same key. A request that has
#             read the old basket writes its amount over the new one.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
until start_redis "-p $port" --port $port --bind 127.0.0.1; do port=$((port + 1)); done
export port
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/dapr/components-contrib/metadata"
	"github.com/dapr/components-contrib/state"
	"github.com/dapr/components-contrib/state/redis"
	"github.com/dapr/kit/logger"
)

func main() {
	ctx := context.Background()
	store := redis.NewRedisStateStore(logger.NewLogger("state"))
	at := metadata.Base{Properties: map[string]string{"redisHost": "127.0.0.1:" + os.Getenv("port")}}
	if err := store.Init(ctx, state.Metadata{Base: at}); err != nil {
		panic(err)
	}
	// write writes the amount of the basket, if it still has the ETag.
	write := func(amount int, etag *string) string {
		option := state.SetStateOption{Concurrency: state.FirstWrite}
		err := store.Set(ctx, &state.SetRequest{Key: "basket", Value: amount, ETag: etag, Options: option})
		if err != nil {
			return "refused"
		}
		return "written"
	}
	read := func() (string, *string) {
		basket, err := store.Get(ctx, &state.GetRequest{Key: "basket"})
		if err != nil {
			panic(err)
		}
		return string(basket.Data), basket.ETag
	}

	fmt.Println("the first basket:", write(1000, nil))
	_, first := read()
	if err := store.Delete(ctx, &state.DeleteRequest{Key: "basket"}); err != nil {
		panic(err)
	}
	fmt.Println("the second basket:", write(9900, nil))
	_, second := read()
	fmt.Println("with the ETag of the first:", write(1500, first))
	amount, _ := read()
	fmt.Println("amount of the second basket:", amount)
	fmt.Println("with the ETag of the second:", write(9800, second))
}
END
go_modules github.com/dapr/components-contrib@v1.18.0 github.com/dapr/kit@v0.17.1
./finding >seen
compare <<'END'
the first basket: written
the second basket: written
with the ETag of the first: written
amount of the second basket: 1500
with the ETag of the second: refused
END

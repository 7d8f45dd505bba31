#!/bin/sh
# go-redis sends a Block of less than a millisecond as BLOCK 0, which has no end
#
# Guess (28 November, 51): XReadGroup with a Block below a millisecond sends the same command as
#             rueidiscompat does.
# Behaviour:  go-redis drops the fraction of a millisecond and sends BLOCK 0, by which Redis waits
#             without end. It returns no error. XRead does the same. rueidiscompat, which has the same
#             methods, sends BLOCK 1. The default options of go-redis do not end the wait at the deadline
#             of the context.
# Versions:   github.com/redis/go-redis/v9 v9.23.0, github.com/redis/rueidis v1.0.79 with rueidiscompat,
#             redis-server 7.0.15 (Debian).
# Matters:    a worker blocks for the time that is left until its next check (`time.Until`). When less
#             than a millisecond is left, the worker waits for the next event instead, also beyond its
#             check and its shutdown.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidiscompat"
)

var ctx = context.Background()

// sent prints the BLOCK of the commands that Redis has run since the last call.
func sent(name string, r *redis.Client) {
	log, err := r.SlowLogGet(ctx, -1).Result()
	if err != nil {
		panic(err)
	}
	for _, entry := range log {
		for i, arg := range entry.Args {
			if arg == "block" || arg == "BLOCK" {
				fmt.Printf("%s: BLOCK %s\n", name, entry.Args[i+1])
			}
		}
	}
	r.SlowLogReset(ctx)
}

func main() {
	dial := redis.Options{Network: "unix", Addr: "socket"}
	r := redis.NewClient(&dial)
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"socket"}, DisableCache: true, ForceSingleClient: true,
		DialCtxFn: unix,
	})
	if err != nil {
		panic(err)
	}
	compat := rueidiscompat.NewAdapter(c)
	r.ConfigSet(ctx, "slowlog-log-slower-than", "0")
	// Each read finds an entry, so that none waits.
	for range 10 {
		r.XAdd(ctx, &redis.XAddArgs{Stream: "events", Values: []string{"type", "paid"}})
	}
	r.XGroupCreate(ctx, "events", "shop", "0")
	r.SlowLogReset(ctx)
	for _, left := range []time.Duration{1500 * time.Microsecond, 999 * time.Microsecond} {
		fmt.Println(left, "left")
		_, err := r.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: "shop", Consumer: "a", Streams: []string{"events", ">"}, Count: 1, Block: left,
		}).Result()
		sent(fmt.Sprintf("  go-redis XReadGroup (%v)", err), r)
		_, err = r.XRead(ctx, &redis.XReadArgs{Streams: []string{"events", "0"}, Count: 1, Block: left}).Result()
		sent(fmt.Sprintf("  go-redis XRead (%v)", err), r)
		_, err = compat.XReadGroup(ctx, rueidiscompat.XReadGroupArgs{
			Group: "shop", Consumer: "b", Streams: []string{"events", ">"}, Count: 1, Block: left,
		}).Result()
		sent(fmt.Sprintf("  rueidiscompat XReadGroup (%v)", err), r)
	}
	go func() {
		time.Sleep(2 * time.Second)
		r.XAdd(ctx, &redis.XAddArgs{Stream: "events", Values: []string{"type", "refunded"}})
	}()
	began := time.Now()
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	read := redis.XReadArgs{Streams: []string{"events", "$"}, Block: 999 * time.Microsecond}
	_, err = r.XRead(short, &read).Result()
	fmt.Printf("go-redis, a context of 1 s, the next event after 2 s: waited for it: %t, error %v\n",
		time.Since(began) >= 2*time.Second, err)
}
END
cat >unix.go <<'END'
package main

import (
	"context"
	"crypto/tls"
	"net"
)

func unix(ctx context.Context, path string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	return dialer.DialContext(ctx, "unix", path)
}
END
go_modules github.com/redis/go-redis/v9@v9.23.0 github.com/redis/rueidis@v1.0.79 \
	github.com/redis/rueidis/rueidiscompat@v1.0.79
./finding >seen
compare <<'END'
1.5ms left
  go-redis XReadGroup (<nil>): BLOCK 1
  go-redis XRead (<nil>): BLOCK 1
  rueidiscompat XReadGroup (<nil>): BLOCK 1
999µs left
  go-redis XReadGroup (<nil>): BLOCK 0
  go-redis XRead (<nil>): BLOCK 0
  rueidiscompat XReadGroup (<nil>): BLOCK 1
go-redis, a context of 1 s, the next event after 2 s: waited for it: true, error <nil>
END

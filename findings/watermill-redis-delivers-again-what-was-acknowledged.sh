#!/bin/sh
# watermill's Redis subscriber delivers a message again after it was acknowledged
#
# Guess (5):  a second consumer of the group does not get a message while the first one works on it.
# Behaviour:  after MaxIdleTime (60 s by default) another consumer claims the message, and both work
#             on it at the same time. A consumer claims again while its own handler is busy. So the
#             handler gets the message once more after both consumers have acknowledged it. Nothing
#             renews the claim of a handler that still works.
# Versions:   github.com/ThreeDotsLabs/watermill-redisstream v1.4.5, watermill v1.5.1,
#             github.com/redis/go-redis/v9 v9.23.0, redis-server 7.0.15 (Debian).
# Matters:    a handler that waits a minute for a payment provider ships the order three times.

. "$(dirname "$0")/lib/start.sh"
redis_alone
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

var (
	begun, running, most, acknowledged, late atomic.Int64

	client = redis.NewClient(&redis.Options{Network: "unix", Addr: "socket"})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// handle takes a message for three times MaxIdleTime.
func handle(m *message.Message) {
	begun.Add(1)
	if acknowledged.Load() > 0 {
		late.Add(1)
	}
	most.Store(max(most.Load(), running.Add(1)))
	time.Sleep(6 * time.Second)
	running.Add(-1)
	m.Ack()
	acknowledged.Add(1)
}

func main() {
	ctx := context.Background()
	for _, name := range []string{"a", "b"} {
		config := redisstream.SubscriberConfig{
			Client: client, ConsumerGroup: "shop", Consumer: name,
			MaxIdleTime: 2 * time.Second, ClaimInterval: 500 * time.Millisecond,
		}
		messages := must(must(redisstream.NewSubscriber(config, watermill.NopLogger{})).Subscribe(ctx, "orders"))
		go func() {
			for m := range messages {
				handle(m)
			}
		}()
	}
	publisher := must(redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, watermill.NopLogger{}))
	if err := publisher.Publish("orders", message.NewMessage("evt_1", []byte("paid"))); err != nil {
		panic(err)
	}
	time.Sleep(30 * time.Second)
	fmt.Println("one message, handled more than once:", begun.Load() > 1)
	fmt.Println("by both consumers at the same time:", most.Load() == 2)
	fmt.Println("and again after it was acknowledged:", late.Load() > 0)
}
END
go_modules github.com/ThreeDotsLabs/watermill-redisstream@v1.4.5 github.com/ThreeDotsLabs/watermill@v1.5.1 \
	github.com/redis/go-redis/v9@v9.23.0
./finding >seen
compare <<'END'
one message, handled more than once: true
by both consumers at the same time: true
and again after it was acknowledged: true
END

#!/bin/sh
# go-redis's SSubscribe gets no messages after the channel's slot has moved
#
# Guess (37): the subscription follows the slot to its new master by itself.
# Behaviour:  Redis ends the subscription with the message "sunsubscribe". go-redis keeps the
#             connection, and its own health checks (every 3 s) succeed. It does not subscribe at
#             the new master, and reports no error. SPUBLISH reaches 0 receivers.
# Versions:   github.com/redis/go-redis/v9 v9.23.0, redis-server 7.0.15 (Debian), a cluster of three
#             masters.
# Matters:    after a cluster grows, every reader of a sharded channel waits for messages that never
#             come, until it is restarted. rueidis v1.0.79 ends its Receive instead, so that the
#             caller can subscribe again.

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

	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	ports := strings.Fields(os.Getenv("ports"))
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:" + ports[0]}})
	subscription := client.SSubscribe(ctx, "orders")
	if _, err := subscription.Receive(ctx); err != nil {
		panic(err)
	}
	messages := subscription.Channel()

	publish := func() (received int64, message string) {
		received, err := client.SPublish(ctx, "orders", "paid").Result()
		if err != nil {
			panic(err)
		}
		select {
		case m, open := <-messages:
			return received, fmt.Sprint("message ", m.Payload, ", open ", open)
		case <-time.After(time.Second):
			return received, "no message"
		}
	}
	received, message := publish()
	fmt.Printf("before: %d receiver, %s\n", received, message)
	move := exec.Command(os.Getenv("lib")+"/move-slot.sh", append([]string{"orders"}, ports...)...)
	if out, err := move.CombinedOutput(); err != nil {
		panic(string(out))
	}
	for range 15 {
		received, message = publish()
	}
	fmt.Printf("after five health checks: %d receivers, %s\n", received, message)
}
END
go_modules github.com/redis/go-redis/v9@v9.23.0
./finding >seen
compare <<'END'
before: 1 receiver, message paid, open true
after five health checks: 0 receivers, no message
END

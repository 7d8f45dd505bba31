#!/bin/sh
# go-redis asks a dead master of a cluster for a minute, although its replica has taken over
#
# Guess (70): a connection that is refused makes the client look up the masters.
# Behaviour:  Only a redirect and a timer make it look them up. A dead server sends no redirect, and
#             the timer (ClusterStateReloadInterval) is 60 s by default; it is 10 s in the source of v9.14.1. Each
#             command is retried at the dead server, then fails. A new client works at once, and so
#             does the old one after ReloadState.
# Versions:   github.com/redis/go-redis/v9 v9.23.0, redis-server 7.0.15 (Debian), a cluster of three
#             masters, of which one has a replica.
# Matters:    the replica takes over within seconds, and the shop refuses a third of its orders for a
#             minute.

. "$(dirname "$0")/lib/start.sh"
redis_cluster
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func open() *redis.ClusterClient {
	var addresses []string
	for _, port := range strings.Fields(os.Getenv("ports")) {
		addresses = append(addresses, "127.0.0.1:"+port)
	}
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
}

// write writes a key of the slot whose master dies, and describes the outcome.
func write(client *redis.ClusterClient) string {
	switch err := client.Set(ctx, os.Getenv("key"), "paid", 0).Err(); {
	case err == nil:
		return "written"
	case strings.Contains(err.Error(), "connection refused"):
		return "connection refused"
	default:
		return err.Error()
	}
}

// wait returns once a file exists.
func wait(name string) {
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	client := open()
	fmt.Println("before:", write(client))
	if err := os.WriteFile("connected", nil, 0o600); err != nil {
		panic(err)
	}
	wait("promoted")
	outcomes := map[string]int{}
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		outcomes[write(client)]++
	}
	fmt.Println("in the 15 s after the replica has taken over:", len(outcomes), "outcome,", write(client))
	fmt.Println("a new client:", write(open()))
	client.ReloadState(ctx)
	time.Sleep(2 * time.Second)
	fmt.Println("after ReloadState:", write(client))
}
END
go_modules github.com/redis/go-redis/v9@v9.23.0

# The first master gets a replica. The key is one of its slots.
# shellcheck disable=SC2086 # one argument a port
set -- $ports
master=$1 other=$2
until start_redis "-p $port" --port $port --bind 127.0.0.1 --cluster-enabled yes --cluster-config-file replica.conf; do
	port=$((port + 1))
done
for node in $ports $port; do redis-cli -p "$node" config set cluster-node-timeout 2000 >/dev/null; done
redis-cli -p $port cluster meet 127.0.0.1 "$master" >/dev/null
id=$(redis-cli -p "$master" cluster myid)
await "redis-cli -p $port cluster nodes | grep -q $id"
await "[ \"\$(redis-cli -p $port cluster replicate $id)\" = OK ]"
await "redis-cli -p $port info replication | grep -q master_link_status:up"
number=0
until redis-cli -p "$master" exists "order-$number" | grep -q '^[01]$'; do number=$((number + 1)); done
export key="order-$number"

./finding >seen 2>finding.log &
program=$!
started="$started $program"
await '[ -e connected ]'
pid=$(redis-cli -p "$master" info server | tr -d '\r' | sed -n 's/^process_id://p')
kill -9 "$pid"
await "redis-cli -p $port info replication | grep -q role:master"
await "redis-cli -p $other cluster info | grep -q cluster_state:ok"
touch promoted
wait $program
compare <<'END'
before: written
in the 15 s after the replica has taken over: 1 outcome, connection refused
a new client: written
after ReloadState: written
END

#!/bin/sh
# centrifuge recovers a client from a position of the old master, and skips the new events before it
#
# Guess (28 November, B17): a replica that has not got the last two publications becomes the master,
#             and two others are published there. A client that has seen the lost ones reconnects
#             with its position, and gets `recovered: false`.
# Behaviour:  this is true while the new master has fewer publications than the position, and when it
#             has lost all. But the next publications get the offsets of the lost ones, and the
#             stream keeps its epoch. Then the position is valid again: the client gets `recovered:
#             true`, without the events that took the lost ones' places.
# Versions:   github.com/centrifugal/centrifuge v0.40.1 with its Redis broker, redis-server 7.0.15
#             (Debian).
# Matters:    a page that reconnects after a failover takes its state for complete. It never
#             sees that its order is paid.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
for name in old new empty; do
	until start_redis "-p $port" --port $port --bind 127.0.0.1 --repl-diskless-sync-delay 0; do port=$((port + 1)); done
	export $name=$port
	port=$((port + 1))
done
# shellcheck disable=SC2154 # the loop sets the names
redis-cli -p "$new" replicaof 127.0.0.1 "$old" >/dev/null
await "redis-cli -p $new info replication | grep -q master_link_status:up"
cat >main.go <<'END'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

const channel = "order-1"

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// open returns a node whose broker is the Redis server with the name, and which subscribes each client to the channel.
func open(name string) *centrifuge.Node {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone})
	must(err)
	at := centrifuge.RedisShardConfig{Address: "127.0.0.1:" + os.Getenv(name)}
	shard, err := centrifuge.NewRedisShard(node, at)
	must(err)
	shards := []*centrifuge.RedisShard{shard}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: shards})
	must(err)
	node.SetBroker(broker)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:   &centrifuge.Credentials{UserID: "customer"},
			Subscriptions: map[string]centrifuge.SubscribeOptions{channel: {EnableRecovery: true}},
		}, nil
	})
	must(node.Run())
	return node
}

// publish publishes an event, and returns the position behind it.
func publish(node *centrifuge.Node, event string) centrifuge.StreamPosition {
	result, err := node.Publish(channel, []byte(`"`+event+`"`), centrifuge.WithHistory(100, time.Hour))
	must(err)
	return result.StreamPosition
}

// reconnect connects a client that has seen everything up to the position, and prints what it gets.
func reconnect(when string, node *centrifuge.Node, position centrifuge.StreamPosition) {
	server := httptest.NewServer(centrifuge.NewHTTPStreamHandler(node, centrifuge.HTTPStreamConfig{}))
	defer server.Close()
	defer server.CloseClientConnections()
	command := fmt.Sprintf(`{"id":1,"connect":{"subs":{%q:{"recover":true,"epoch":%q,"offset":%d}}}}`,
		channel, position.Epoch, position.Offset)
	response, err := http.Post(server.URL, "application/json", strings.NewReader(command))
	must(err)
	defer response.Body.Close()
	var reply struct {
		Connect struct {
			Subs map[string]struct {
				Recovered    bool
				Publications []struct{ Data string }
			}
		}
	}
	must(json.NewDecoder(response.Body).Decode(&reply))
	sub := reply.Connect.Subs[channel]
	fmt.Printf("%s: recovered %t, events %v\n", when, sub.Recovered, sub.Publications)
}

func main() {
	before := open("old")
	for range 3 {
		publish(before, "created")
	}
	must(exec.Command("redis-cli", "-p", os.Getenv("old"), "wait", "1", "0").Run())
	must(exec.Command("redis-cli", "-p", os.Getenv("new"), "replicaof", "no", "one").Run())
	publish(before, "lost")
	position := publish(before, "lost")
	reconnect("the old master has 5 events, the client has seen 5", before, position)

	after := open("new")
	reconnect("the new master has 3", after, position)
	publish(after, "processing")
	reconnect("the new master has 4", after, position)
	publish(after, "paid")
	reconnect("the new master has 5", after, position)
	publish(after, "shipped")
	reconnect("the new master has 6", after, position)

	other := open("empty")
	for range 6 {
		publish(other, "created")
	}
	reconnect("a master that has lost all has 6 again", other, position)
}
END
go_modules github.com/centrifugal/centrifuge@v0.40.1
./finding >seen
compare <<'END'
the old master has 5 events, the client has seen 5: recovered true, events []
the new master has 3: recovered false, events []
the new master has 4: recovered false, events []
the new master has 5: recovered true, events []
the new master has 6: recovered true, events [{shipped}]
a master that has lost all has 6 again: recovered false, events []
END

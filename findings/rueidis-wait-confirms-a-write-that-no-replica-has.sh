#!/bin/sh
# WAIT of rueidis, and of a pool of node-redis, confirms a write that no replica has
#
# Guesses (28 November, B65, B67): the replica is stopped. SET, then WAIT 1 1000 returns 0 after a
#             second.
# Behaviour:  WAIT counts the replicas that have the last write of its own connection. rueidis sends
#             SET on the connection that it shares, and WAIT, like all blocking commands, on another
#             one. A pool of node-redis takes the next free connection. The other connection has seen
#             an older write only, so that WAIT returns 1 at once. WAIT returns 0 when both commands
#             go together (DoMulti, execute), and with a client of one connection.
# Versions:   github.com/redis/rueidis v1.0.79, redis 6.3.1 (npm), redis-server 7.0.15 (Debian).
# Matters:    a payment is acknowledged as replicated, and is lost when the replica takes over.

. "$(dirname "$0")/lib/start.sh"
need redis-server redis-cli
port=$((20000 + $$ % 9000))
for name in master replica; do
	until start_redis "-p $port" --port $port --bind 127.0.0.1 --repl-diskless-sync-delay 0; do port=$((port + 1)); done
	export $name=$port
	port=$((port + 1))
done
# shellcheck disable=SC2154 # the loop sets the names, start_redis sets "server" to the id of the last server
redis-cli -p "$replica" replicaof 127.0.0.1 "$master" >/dev/null
await "redis-cli -p $replica info replication | grep -q master_link_status:up"
export process="$server"
npm_packages redis@6.3.1
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/redis/rueidis"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	process, err := strconv.Atoi(os.Getenv("process"))
	must(err)
	address := []string{"127.0.0.1:" + os.Getenv("master")}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: address, ForceSingleClient: true})
	must(err)
	set := func() rueidis.Completed { return client.B().Set().Key("payment").Value("paid").Build() }
	wait := func() rueidis.Completed { return client.B().Wait().Numreplicas(1).Timeout(1000).Build() }
	show := func(when string) {
		must(client.Do(ctx, set()).Error())
		apart, err := client.Do(ctx, wait()).AsInt64()
		must(err)
		together, err := client.DoMulti(ctx, set(), wait())[1].AsInt64()
		must(err)
		fmt.Printf("rueidis, %s: Do and Do %d, DoMulti %d\n", when, apart, together)
	}
	show("the replica runs")
	must(syscall.Kill(process, syscall.SIGSTOP))
	defer func() { must(syscall.Kill(process, syscall.SIGCONT)) }()
	show("the replica is stopped")
}
END
cat >pool.mjs <<'END'
import { createClient, createClientPool } from 'redis';

const socket = { port: Number(process.env.master) };
const one = await createClient({ socket }).connect();
const pool = await createClientPool({ socket }, { minimum: 3 }).connect();

async function replicas(client) {
  await client.set('payment', 'paid');
  return client.wait(1, 1000);
}
async function show(when) {
  const counts = [await replicas(one), await replicas(pool), await pool.execute(replicas)];
  console.log(`node-redis, ${when}: one connection ${counts[0]}, pool ${counts[1]}, execute of the pool ${counts[2]}`);
}
await show('the replica runs');
process.kill(Number(process.env.process), 'SIGSTOP');
try {
  await show('the replica is stopped');
} finally {
  process.kill(Number(process.env.process), 'SIGCONT');
}
process.exit();
END
go_modules github.com/redis/rueidis@v1.0.79
./finding >seen
node pool.mjs >>seen
compare <<'END'
rueidis, the replica runs: Do and Do 1, DoMulti 1
rueidis, the replica is stopped: Do and Do 1, DoMulti 0
node-redis, the replica runs: one connection 1, pool 1, execute of the pool 1
node-redis, the replica is stopped: one connection 0, pool 1, execute of the pool 0
END

package process_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/test/internal/testenv"
	"kasse/test/rounds"
	"kasse/test/wait"
)

// killedPushes are servers that push events to a receiver. The test kills the servers and the
// receiver.
type killedPushes struct {
	*processEnv
	receiver *process
	file     string            // the receiver appends the ids of the events
	pushing  map[string]string // settings of the servers
	servers  []*process
	events   int // number of events
}

func newKilledPushes(t *testing.T, events int) *killedPushes {
	t.Helper()
	k := &killedPushes{
		processEnv: newEnv(t, stripesim.Options{}), file: filepath.Join(t.TempDir(), "received"), events: events,
	}
	k.startReceiver("127.0.0.1:0")
	k.pushing = map[string]string{
		"EVENT_ENDPOINTS": k.receiver.public + "=" + endpointSecret, "EVENT_ALLOW_PRIVATE": "true",
		"LOG_LEVEL": "info",
	}
	k.servers = k.serve(2, k.pushing)
	return k
}

func (k *killedPushes) startReceiver(address string) {
	k.t.Helper()
	k.receiver = k.program(binary(k.t, receiverBinary), address, map[string]string{"FILE": k.file})
}

// TestKillWhilePushing: servers and the receiver are killed repeatedly while the servers push
// events. No event is lost; some are delivered twice.
func TestKillWhilePushing(t *testing.T) {
	random := rand.New(rand.NewPCG(randomSeed(t), 0))
	k := newKilledPushes(t, rounds.Of(400, 2_000, 10_000))
	var writing sync.WaitGroup
	written := make([][]string, 8)
	for i := range written {
		writing.Go(func() { written[i] = k.writeEvents(i, k.events/len(written)) })
	}
	kills := k.killAll(random)
	writing.Wait()
	want := slices.Concat(written...)
	k.awaitEvents(want)
	awaitIdle(k.processEnv, k.pushing)
	repeated, got := 0, received(t, k.file)
	for _, times := range got {
		repeated += times - 1
	}
	if len(got) != len(want) {
		t.Errorf("the receiver got %d events, want %d", len(got), len(want))
	}
	t.Logf("%d events, %d kills: none lost, %d repeated deliveries", len(want), kills, repeated)
}

// killAll kills a server or the receiver, nine times in total, each time after more deliveries. It
// returns the number of kills.
func (k *killedPushes) killAll(random *rand.Rand) (kills int) {
	k.t.Helper()
	address := strings.TrimPrefix(k.receiver.public, "http://")
	for ; kills < 9; kills++ {
		target := k.events * (kills + 1) / 12
		wait.UntilTrue(k.t, fmt.Sprintf("%d deliveries", target), func() bool {
			return len(received(k.t, k.file)) >= target
		})
		if kills%3 == 2 {
			k.receiver.kill()
			k.startReceiver(address)
			continue
		}
		n := random.IntN(len(k.servers))
		k.servers[n].kill()
		k.servers[n] = k.start(k.pushing)
		k.servers[n].awaitReady()
	}
	return kills
}

// awaitEvents waits until the receiver has got each event.
func (k *killedPushes) awaitEvents(want []string) {
	k.t.Helper()
	client := k.openRedis()
	wait.Until(k.t, "every event", func() error {
		makeRetriesDue(k.t, client)
		got := received(k.t, k.file)
		for _, id := range want {
			if got[id] == 0 {
				return fmt.Errorf("the receiver got %d of %d events, not %s", len(got), len(want), id)
			}
		}
		return nil
	})
}

// writeEvents appends events of 50 payments to the streams, and returns their ids. writer
// distinguishes the payments of simultaneous calls.
func (w *processEnv) writeEvents(writer, count int) (ids []string) {
	s := store.New(
		w.openRedis(), store.Options{Partitions: 4, Retention: 720 * time.Hour, EventRetention: 720 * time.Hour},
	)
	for i := range count {
		id, err := testenv.WriteEvent(w.t.Context(), s, payment.ID(fmt.Sprintf("pi_%d_%d", writer, i%50)))
		if err != nil {
			w.t.Error(err)
			return ids
		}
		ids = append(ids, id)
	}
	return ids
}

// received counts the deliveries in the receiver's file, by event id. A kill may cut the last line,
// whose event the receiver has not acknowledged.
func received(t *testing.T, file string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if id, whole := strings.CutSuffix(line, "\n"); whole {
			times[id]++
		}
	}
	return times
}

// makeRetriesDue makes all retries of pushes due now.
func makeRetriesDue(t *testing.T, client *redis.Client) {
	t.Helper()
	for _, key := range client.Keys(t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, member := range client.ZRange(t.Context(), key, 0, -1).Val() {
			client.ZAddXX(t.Context(), key, redis.Z{Member: member})
		}
	}
}

package process_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

var deliveries = flag.Int("deliveries", 2_000, "events that are pushed while servers and the receiver are killed")

// Servers and the receiver are killed, again and again, while events are pushed. None is lost; some come twice.
func TestKillWhilePushing(t *testing.T) {
	seed := seeded(t)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, stripesim.Options{})
	file := filepath.Join(t.TempDir(), "received")
	start := func(address string) *process {
		return w.program(binary(t, receiverBinary), address, map[string]string{"FILE": file})
	}
	receiver := start("127.0.0.1:0")
	pushing := map[string]string{
		"EVENT_ENDPOINTS": receiver.public + "=" + endpointSecret, "EVENT_ALLOW_PRIVATE": "true",
		"LOG_LEVEL": "info",
	}
	servers := w.serve(2, pushing)

	var writing sync.WaitGroup
	written := make([][]string, 8)
	for i := range written {
		writing.Go(func() { written[i] = w.writeEvents(i, *deliveries/len(written)) })
	}
	address := strings.TrimPrefix(receiver.public, "http://")
	kills := 0
	for done := false; !done; kills++ {
		target := *deliveries * (kills + 1) / 12
		wait.Until(t, "some deliveries", func() error { return yet(len(received(t, file)) >= target) })
		done = kills == 8
		if kills%3 == 2 {
			receiver.kill()
			receiver = start(address)
			continue
		}
		n := random.IntN(len(servers))
		servers[n].kill()
		servers[n] = w.start(pushing)
		servers[n].awaitReady()
	}
	writing.Wait()
	var want []string
	for _, ids := range written {
		want = append(want, ids...)
	}
	client := w.openRedis()
	var got map[string]int
	wait.Until(t, "every event", func() error {
		makeDue(t, client) // as if the time of the retries had passed
		got = received(t, file)
		for _, id := range want {
			if got[id] == 0 {
				return fmt.Errorf("%d of %d have come, not %s", len(got), len(want), id)
			}
		}
		return nil
	})
	awaitIdle(w, pushing)
	twice := 0
	for _, times := range received(t, file) {
		twice += times - 1
	}
	if len(got) != len(want) {
		t.Errorf("%d events were written, %d received", len(want), len(got))
	}
	t.Logf("%d events, %d kills: none lost, %d came once more", len(want), kills, twice)
}

// writeEvents appends events of some payments to the streams, as fast as it can, and returns their ids.
func (w *world) writeEvents(writer, count int) (ids []string) {
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

// received counts what the receiver has noted, by event. A line that a kill cut short was not answered.
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

// makeDue lets all retries be due now.
func makeDue(t *testing.T, client *redis.Client) {
	t.Helper()
	for _, key := range client.Keys(t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, member := range client.ZRange(t.Context(), key, 0, -1).Val() {
			client.ZAddXX(t.Context(), key, redis.Z{Member: member})
		}
	}
}

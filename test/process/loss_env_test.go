package process_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// lossEnv is an environment whose Redis can go back to an earlier state, and whose clocks a test can
// move: Redis's and the simulator's. Both run behind the machine, so that they can be moved
// forward. Deliveries are signed anew, since Kasse has the machine's time.
type lossEnv struct {
	*processEnv
	clock    *storetest.Clock
	behind   time.Duration // of Redis's clock and the simulator's, behind the machine's
	client   *redis.Client
	all      []*process
	received *backend
	buyer    string // the customer

	own         map[string]string // settings of this environment's processes, beside those of all
	keepsStream bool              // orders are lost, and the stream is not
}

// spare is how far the clocks run behind at the end of a case: what a test waits for in Redis's
// time is less.
const spare = 3 * time.Hour

func newLossEnv(t *testing.T, ahead time.Duration, redisArgs ...string) *lossEnv {
	t.Helper()
	behind := ahead + spare
	server, clock := storetest.NewTimedServer(t, -behind, redisArgs...)
	began := time.Now().Add(-behind)
	now := func() time.Time { return began.Add(time.Since(began.Add(behind))) }
	w := &lossEnv{
		processEnv: newEnvOn(t, server, stripesim.Options{Settle: 24 * time.Hour, Now: now}),
		clock:      clock, behind: behind,
		received: newBackend(t),
	}
	w.balancer.sign = func(body string) string { return stripesim.Sign(hookSecret, time.Now(), []byte(body)) }
	w.client = w.openRedis()
	w.buyer = w.customer()
	return w
}

// changes are the settings of this environment's processes.
func (w *lossEnv) changes() map[string]string {
	changes := map[string]string{
		"ORDER_TOKEN_SECRETS": "now:" + tokenSecret, "LOG_LEVEL": "info",
		"RATE_LIMIT_FRONTEND_STRIPE": "off", "EVENT_ENDPOINTS": w.received.address + "=" + endpointSecret,
		"EVENT_ALLOW_PRIVATE": "true",
	}
	maps.Copy(changes, w.own)
	return changes
}

const tokenSecret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="

// serve starts two processes.
func (w *lossEnv) serve() {
	w.t.Helper()
	w.balancer.set()
	w.all = w.processEnv.serve(2, w.changes())
}

// advance moves Redis's clock and the simulator's.
func (w *lossEnv) advance(d time.Duration) {
	w.t.Helper()
	w.behind -= d
	w.clock.Set(-w.behind)
	w.sim.Advance(d)
}

// backup is a copy of what Redis has on its disk.
func (w *lossEnv) backup() string {
	w.t.Helper()
	w.no(w.client.Save(w.t.Context()).Err())
	to := filepath.Join(w.t.TempDir(), "backup")
	w.no(os.CopyFS(to, os.DirFS(w.redis.Dir)))
	return to
}

// goBack kills Redis and restarts it from the copy. With powerCut the processes die too.
func (w *lossEnv) goBack(backup string, powerCut bool) {
	w.t.Helper()
	w.redis.Kill()
	if powerCut {
		for _, p := range w.all {
			p.kill()
		}
	}
	w.no(os.RemoveAll(w.redis.Dir))
	w.no(os.CopyFS(w.redis.Dir, os.DirFS(backup)))
	w.redis.Restart()
	if powerCut {
		w.received.open(true)
		w.serve()
	}
}

// kept is a key of Redis with its content.
type kept struct {
	key, content string
	ttl          time.Duration // none: 0
}

// dump returns the content of Redis, by partition.
func (w *lossEnv) dump() map[string][]kept {
	w.t.Helper()
	parts := map[string][]kept{}
	ctx := w.t.Context()
	for _, key := range w.client.Keys(ctx, "kasse:{p*}:*").Val() {
		content, err := w.client.Dump(ctx, key).Result()
		if errors.Is(err, redis.Nil) { // it has expired, or was taken
			continue
		}
		w.no(err)
		part := key[:len("kasse:{p0}:")]
		parts[part] = append(parts[part], kept{key, content, max(0, w.client.PTTL(ctx, key).Val())})
	}
	return parts
}

// restore lets one partition go back.
func (w *lossEnv) restore(part string, all []kept) {
	w.t.Helper()
	ctx := w.t.Context()
	pipe := w.client.TxPipeline()
	for _, key := range w.client.Keys(ctx, part+"*").Val() {
		pipe.Del(ctx, key)
	}
	for _, k := range all {
		pipe.Restore(ctx, k.key, k.ttl, k.content)
	}
	_, err := pipe.Exec(ctx)
	w.no(err)
}

// halfLosses are the ways to lose a part of Redis.
var halfLosses = map[string]func(*lossEnv, map[string][]kept){
	"pointers": func(w *lossEnv, _ map[string][]kept) { w.deleteKeys("kasse:{p*}:pi:*") },
	"orders":   func(w *lossEnv, _ map[string][]kept) { w.keepsStream = true; w.deleteKeys("kasse:{p*}:order:*") },
	"one":      func(w *lossEnv, parts map[string][]kept) { w.restore("kasse:{p1}:", parts["kasse:{p1}:"]) },
	"others": func(w *lossEnv, parts map[string][]kept) {
		for _, part := range []string{"kasse:{p0}:", "kasse:{p2}:", "kasse:{p3}:"} {
			w.restore(part, parts[part])
		}
	},
}

func (w *lossEnv) deleteKeys(pattern string) {
	w.t.Helper()
	for _, key := range w.client.Keys(w.t.Context(), pattern).Val() {
		w.no(w.client.Del(w.t.Context(), key).Err())
	}
}

// mend runs a command that mends what is left. The servers' lease has run out by then: where one of
// them renews it first, the command is tried again.
func (w *lossEnv) mend(command ...string) {
	w.t.Helper()
	wait.Until(w.t, fmt.Sprint("kasse ", command), func() error {
		w.no(w.client.Del(w.t.Context(), "kasse:{p0}:lease:nets").Err())
		p := w.command(w.changes(), command...)
		if code := p.command.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("ended with %d: %s", code, p.stderr.String())
		}
		return nil
	})
}

// settled waits until Stripe's events have arrived and no work is due. Work of a later moment
// stays.
func (w *lossEnv) settled() {
	w.t.Helper()
	w.no(w.sim.Drain(w.t.Context()))
	w.idle(0, "reads", "attention")
}

// begun is for how long a worker hides what it has begun, and some seconds.
const begun = 65 * time.Second

// finished is settled, and no work is under way that began before.
func (w *lossEnv) finished() {
	w.t.Helper()
	w.settled()
	w.idle(begun, "reads", "sweep")
}

// idle waits until nothing in the queues is due within the time.
func (w *lossEnv) idle(within time.Duration, queues ...string) {
	w.t.Helper()
	wait.Until(w.t, fmt.Sprint("an end of the ", queues), func() error {
		until := strconv.FormatInt(w.client.Time(w.t.Context()).Val().Add(within).UnixMilli(), 10)
		for _, queue := range queues {
			for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:"+queue).Val() {
				due := w.client.ZRangeArgs(
					w.t.Context(), redis.ZRangeArgs{Key: key, ByScore: true, Start: "-inf", Stop: until},
				).Val()
				if len(due) > 0 {
					return fmt.Errorf("%s has %v", key, due)
				}
			}
		}
		return nil
	})
}

// event is one entry of the stream.
type event struct {
	id, kind string
	restored bool
	data     lossView
}

// stream is the whole stream by order, oldest first.
func (w *lossEnv) stream() map[string][]event {
	w.t.Helper()
	byOrder := map[string][]event{}
	for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:events").Val() {
		for _, message := range w.client.XRange(w.t.Context(), key, "-", "+").Val() {
			e := event{restored: message.Values["restored"] != nil}
			e.id, _ = message.Values["id"].(string)
			e.kind, _ = message.Values["type"].(string)
			data, _ := message.Values["data"].(string)
			w.no(json.Unmarshal([]byte(data), &e.data))
			byOrder[e.data.OrderID] = append(byOrder[e.data.OrderID], e)
		}
	}
	return byOrder
}

// awaitPushes waits until the backend has every event of the stream.
func (w *lossEnv) awaitPushes() {
	w.t.Helper()
	wait.Until(w.t, "every event at the backend", func() error {
		makeDue(w.t, w.client)
		for _, events := range w.stream() {
			for _, e := range events {
				if !w.received.has(e.id) {
					return fmt.Errorf("%s %s has not come", e.kind, e.id)
				}
			}
		}
		return nil
	})
}

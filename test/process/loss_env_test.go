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

// lossEnv is an environment in which a test can restore an earlier state of Redis, and can move the
// clocks of Redis and the simulator. Both clocks are behind the machine's, so that the test can
// advance them. Deliveries get a new signature with the machine's time, which Kasse uses.
type lossEnv struct {
	*processEnv
	clock    *storetest.Clock
	behind   time.Duration // how far Redis's clock and the simulator's are behind the machine's
	client   *redis.Client
	all      []*process
	received *backend
	buyer    string // id of the customer

	extra       map[string]string // settings of one test
	keepsStream bool              // the loss deletes orders, but not the stream
}

// spare is how far the clocks are behind at the end of a case. It is more than any further advance
// of a test.
const spare = 3 * time.Hour

// newLossEnv starts an environment whose clocks a test can advance by ahead, and by spare.
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

// changes returns the settings of this environment's processes.
func (w *lossEnv) changes() map[string]string {
	changes := map[string]string{
		"ORDER_TOKEN_SECRETS": "now:" + tokenSecret, "LOG_LEVEL": "info",
		"RATE_LIMIT_FRONTEND_STRIPE": "off", "EVENT_ENDPOINTS": w.received.url + "=" + endpointSecret,
		"EVENT_ALLOW_PRIVATE": "true",
	}
	maps.Copy(changes, w.extra)
	return changes
}

const tokenSecret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="

// serve starts two processes.
func (w *lossEnv) serve() {
	w.t.Helper()
	w.balancer.set()
	w.all = w.processEnv.serve(2, w.changes())
}

// advance moves Redis's clock and the simulator's forward.
func (w *lossEnv) advance(d time.Duration) {
	w.t.Helper()
	w.behind -= d
	w.clock.Set(-w.behind)
	w.sim.Advance(d)
}

// backup saves Redis's data to its disk, and returns the directory of a copy.
func (w *lossEnv) backup() string {
	w.t.Helper()
	w.noError(w.client.Save(w.t.Context()).Err())
	to := filepath.Join(w.t.TempDir(), "backup")
	w.noError(os.CopyFS(to, os.DirFS(w.redis.Dir)))
	return to
}

// restoreBackup kills Redis and restarts it from the copy. With powerCut the processes are killed
// too.
func (w *lossEnv) restoreBackup(backup string, powerCut bool) {
	w.t.Helper()
	w.redis.Kill()
	if powerCut {
		for _, p := range w.all {
			p.kill()
		}
	}
	w.noError(os.RemoveAll(w.redis.Dir))
	w.noError(os.CopyFS(w.redis.Dir, os.DirFS(backup)))
	w.redis.Restart()
	if powerCut {
		w.received.setAvailable(true)
		w.serve()
	}
}

// storedKey is a key of Redis with its content.
type storedKey struct {
	key, content string
	ttl          time.Duration // 0: none
}

// dump returns the content of Redis, by partition.
func (w *lossEnv) dump() map[string][]storedKey {
	w.t.Helper()
	parts := map[string][]storedKey{}
	ctx := w.t.Context()
	for _, key := range w.client.Keys(ctx, "kasse:{p*}:*").Val() {
		content, err := w.client.Dump(ctx, key).Result()
		if errors.Is(err, redis.Nil) { // the key has expired, or a process has deleted it
			continue
		}
		w.noError(err)
		part := key[:len("kasse:{p0}:")]
		parts[part] = append(parts[part], storedKey{key, content, max(0, w.client.PTTL(ctx, key).Val())})
	}
	return parts
}

// restore restores one partition to its earlier content.
func (w *lossEnv) restore(part string, all []storedKey) {
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
	w.noError(err)
}

// partLosses are the ways to lose a part of Redis. Each gets the earlier content of every
// partition.
var partLosses = map[string]func(*lossEnv, map[string][]storedKey){
	"pointers": func(w *lossEnv, _ map[string][]storedKey) { w.deleteKeys("kasse:{p*}:pi:*") },
	"orders": func(w *lossEnv, _ map[string][]storedKey) {
		w.keepsStream = true
		w.deleteKeys("kasse:{p*}:order:*")
	},
	"one partition": func(w *lossEnv, parts map[string][]storedKey) {
		w.restore("kasse:{p1}:", parts["kasse:{p1}:"])
	},
	"three partitions": func(w *lossEnv, parts map[string][]storedKey) {
		for _, part := range []string{"kasse:{p0}:", "kasse:{p2}:", "kasse:{p3}:"} {
			w.restore(part, parts[part])
		}
	},
}

func (w *lossEnv) deleteKeys(pattern string) {
	w.t.Helper()
	for _, key := range w.client.Keys(w.t.Context(), pattern).Val() {
		w.noError(w.client.Del(w.t.Context(), key).Err())
	}
}

// runExclusive runs a command that must succeed. It deletes the lease of the servers first. If a
// server takes the lease again before the command, the command is repeated.
func (w *lossEnv) runExclusive(command ...string) {
	w.t.Helper()
	wait.Until(w.t, fmt.Sprint("kasse ", command), func() error {
		w.noError(w.client.Del(w.t.Context(), tasksLease).Err())
		p := w.command(w.changes(), command...)
		if code := p.command.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, p.stderr.String())
		}
		return nil
	})
}

// awaitSettled waits until Stripe's events have arrived and no work is due. Work that is due later
// stays.
func (w *lossEnv) awaitSettled() {
	w.t.Helper()
	w.noError(w.sim.Drain(w.t.Context()))
	w.awaitQueues(0, "reads", "attention")
}

// claimLasts is longer than a worker's claim hides a read from the other workers.
const claimLasts = 65 * time.Second

// awaitFinished is awaitSettled, and also waits until no worker holds a claim.
func (w *lossEnv) awaitFinished() {
	w.t.Helper()
	w.awaitSettled()
	w.awaitQueues(claimLasts, "reads", "sweep")
}

// awaitQueues waits until no entry of the queues is due within the time.
func (w *lossEnv) awaitQueues(within time.Duration, queues ...string) {
	w.t.Helper()
	wait.Until(w.t, fmt.Sprint("the end of the due entries of ", queues), func() error {
		until := strconv.FormatInt(w.client.Time(w.t.Context()).Val().Add(within).UnixMilli(), 10)
		for _, queue := range queues {
			for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:"+queue).Val() {
				due := w.client.ZRangeArgs(
					w.t.Context(), redis.ZRangeArgs{Key: key, ByScore: true, Start: "-inf", Stop: until},
				).Val()
				if len(due) > 0 {
					return fmt.Errorf("%s still has %v", key, due)
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

// stream returns all entries of the stream, by order, oldest first.
func (w *lossEnv) stream() map[string][]event {
	w.t.Helper()
	byOrder := map[string][]event{}
	for _, key := range w.client.Keys(w.t.Context(), "kasse:{p*}:events").Val() {
		for _, message := range w.client.XRange(w.t.Context(), key, "-", "+").Val() {
			e := event{restored: message.Values["restored"] != nil}
			e.id, _ = message.Values["id"].(string)
			e.kind, _ = message.Values["type"].(string)
			data, _ := message.Values["data"].(string)
			w.noError(json.Unmarshal([]byte(data), &e.data))
			byOrder[e.data.OrderID] = append(byOrder[e.data.OrderID], e)
		}
	}
	return byOrder
}

// awaitPushes waits until the backend has accepted every event of the stream.
func (w *lossEnv) awaitPushes() {
	w.t.Helper()
	wait.Until(w.t, "every event at the backend", func() error {
		makeRetriesDue(w.t, w.client)
		for _, events := range w.stream() {
			for _, e := range events {
				if !w.received.has(e.id) {
					return fmt.Errorf("the backend has not accepted %s %s", e.kind, e.id)
				}
			}
		}
		return nil
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kasse/test/internal/testenv"
	"kasse/test/program"
	"kasse/test/wait"
)

var buildDir string // directory of the built programs; removed after the tests

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "kasse-chaos-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(buildDir)
		os.Exit(code)
	}))
}

var builtTools = sync.OnceValues(func() (tools, error) {
	if err := testenv.OpenSources("../.."); err != nil {
		return tools{}, err
	}
	return build(context.Background(), buildDir)
})

var small = size{load: 2 * time.Second, rate: 15, faults: 1}

// runOne runs one small round on a fixed seed, since the tests are about the oracle.
func runOne(t *testing.T, k kind) result {
	t.Helper()
	built, err := builtTools()
	if err != nil {
		t.Fatal(err)
	}
	k.patience = 2 * time.Second
	r, err := runRound(t.Context(), filepath.Join(t.TempDir(), "round"), built, k, 1, small)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf(
		"acknowledged %d, found %d, lost %d, twice %d, wrong %d: %s", r.acknowledged, r.found, r.lost, r.twice,
		r.wrong, strings.Join(r.reasons, "\n"),
	)
	return r
}

// TestHealthyRoundFindsNothing: a healthy round has no findings. The findings of the tests below therefore come from
// their faults.
func TestHealthyRoundFindsNothing(t *testing.T) {
	t.Parallel()
	r := runOne(t, kind{
		name: "healthy", servers: 2, inject: func(context.Context, *workload, moment, size) error { return nil },
	})
	if r.failed() || r.tried != 1 || r.survived != 1 || r.acknowledged < 30 || r.found != r.acknowledged {
		t.Errorf("%+v", r)
	}
}

// TestPowerCutWithoutSync: a Redis that syncs once a second loses acknowledged writes when the power fails.
func TestPowerCutWithoutSync(t *testing.T) {
	t.Parallel()
	if built, err := builtTools(); err == nil && built.shim == "" {
		t.Skip("the fsync shim needs Linux and a C compiler")
	}
	r := runOne(t, kind{
		name: "synced-each-second", power: true, redis: []string{"--appendfsync", "everysec"},
		env: map[string]string{"REDIS_DURABILITY": "warn"}, inject: cutAfterAcknowledgement,
	})
	if r.lost == 0 || !r.failed() || r.found == r.acknowledged {
		t.Errorf("%+v", r)
	}
}

// cutAfterAcknowledgement cuts the power after six events were acknowledged since the last sync.
func cutAfterAcknowledgement(ctx context.Context, s *workload, m moment, z size) error {
	syncs, known := int64(-1), 0
	err := wait.For(ctx, func() error {
		info, err := os.Stat(s.redis.syncLog())
		if err != nil {
			return err
		}
		now := len(s.oracle.snapshot().events)
		if info.Size() != syncs {
			syncs, known = info.Size(), now
		}
		if now < known+6 {
			return errors.New("too few events were acknowledged since the last sync")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return cutPower(ctx, s, m, z)
}

// TestFailoverWithoutWait: without WAIT a failover loses the writes that only the master had.
func TestFailoverWithoutWait(t *testing.T) {
	t.Parallel()
	failOverUnconfirmed := func(ctx context.Context, s *workload, m moment, _ size) error {
		s.toMaster.setFaults(linkFaults{paused: true})
		before := len(s.oracle.snapshot().events)
		err := wait.For(ctx, func() error {
			if len(s.oracle.snapshot().events) < before+6 {
				return errors.New("too few events were acknowledged that the replica does not have")
			}
			return nil
		})
		return errors.Join(err, s.promote(ctx, m))
	}
	r := runOne(t, kind{name: "without-wait", replica: true, inject: failOverUnconfirmed})
	if r.lost == 0 || !r.failed() {
		t.Errorf("%+v", r)
	}
}

// TestAcknowledgedBeforeWritten: the oracle detects a server that answers 200 before it writes, even if it
// writes two of three events.
func TestAcknowledgedBeforeWritten(t *testing.T) {
	t.Parallel()
	acknowledgeThird := func(_ context.Context, s *workload) error {
		front, err := url.Parse("http://" + s.front.address())
		if err != nil {
			return err
		}
		forward, count := httputil.NewSingleHostReverseProxy(front), 0
		var mu sync.Mutex
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			count++
			third := count%3 == 0
			mu.Unlock()
			if third {
				_, _ = w.Write([]byte(`{"outcome":"applied"}`))
				return
			}
			forward.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		s.Sender.URL = server.URL
		return nil
	}
	r := runOne(t, kind{
		name: "acknowledged-early", before: acknowledgeThird,
		inject: func(context.Context, *workload, moment, size) error { return nil },
	})
	if r.lost == 0 || r.wrong == 0 {
		t.Errorf("%+v", r)
	}
}

// tamper returns a fault that edits the stream of a partition with entries. It waits for the first entries.
func tamper(edit string) func(context.Context, *workload, moment, size) error {
	return func(ctx context.Context, s *workload, _ moment, _ size) error {
		return wait.For(ctx, func() error {
			done, err := s.redis.Client.Eval(ctx, `
				for _, key in ipairs(redis.call('KEYS', 'kasse:*:events')) do
					local entries = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)
					if entries[1] then
						local position, fields = entries[1][1], entries[1][2]
						`+edit+`
						return 1
					end
				end
				return 0`, nil).Int()
			if err == nil && done == 0 {
				err = errors.New("the stream is empty")
			}
			return err
		})
	}
}

func TestTamperedStream(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit  string
		count func(result) int
	}{
		"an entry twice": {`redis.call('XADD', key, '*', unpack(fields))`, func(r result) int { return r.twice }},
		"a transition twice, under another id": {
			`fields[2] = fields[2] .. '9'; redis.call('XADD', key, '*', unpack(fields))`, func(r result) int {
				return r.twice
			},
		},
		"a missing entry": {`redis.call('XDEL', key, position)`, func(r result) int { return r.lost }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runOne(t, kind{name: "tampered", inject: tamper(test.edit)})
			if test.count(r) == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestRecordGone: a deleted record counts as lost, even if no later request reads it.
func TestRecordGone(t *testing.T) {
	t.Parallel()
	r := runOne(t, kind{name: "gone", inject: func(ctx context.Context, s *workload, m moment, _ size) error {
		_, key, err := s.anyPayment(ctx, m.pick)
		if err != nil {
			return err
		}
		s.toRedis.setFaults(linkFaults{unplugged: true})
		return errors.Join(s.redis.Client.Del(ctx, key).Err(), s.verify(ctx))
	}})
	if r.lost == 0 {
		t.Errorf("%+v", r)
	}
}

// TestPlanReplays: a seed decides the plan, and another seed gives another plan.
func TestPlanReplays(t *testing.T) {
	plan := func(seed uint64, round string) plan { return newPlan(seed, round, short, 3) }
	if !reflect.DeepEqual(plan(1, "a"), plan(1, "a")) {
		t.Error("one seed made two plans")
	}
	moments := plan(1, "a").moments
	if reflect.DeepEqual(moments, plan(2, "a").moments) || reflect.DeepEqual(moments, plan(1, "b").moments) {
		t.Error("two seeds, or two kinds of rounds, have the same plan")
	}
	if p := plan(1, "a"); len(p.orders) != 60 || len(p.moments) != 3 || p.moments[2].at > short.load {
		t.Errorf("%d orders, moments %v", len(p.orders), p.moments)
	}
}

// TestInterrupted: a canceled round leaves no process behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	built, err := builtTools()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all []*program.Process
	interrupt := func(_ context.Context, s *workload, _ moment, _ size) error {
		s.redis.freeze()
		all = append(s.Processes(), s.redis.Process)
		cancel()
		return nil
	}
	k := kind{name: "interrupted", servers: 2, inject: interrupt}
	_, err = runRound(ctx, filepath.Join(t.TempDir(), "round"), built, k, 1, small)
	if err == nil {
		t.Error("an interrupted round returns no error")
	}
	for _, p := range all {
		if !p.HasEnded() {
			t.Errorf("the process of %s still runs", p.Log)
		}
	}
	if len(all) != 3 {
		t.Errorf("%d processes, want 3", len(all))
	}
}

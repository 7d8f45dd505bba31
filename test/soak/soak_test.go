package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const leaked = 200 // connections and keys

// TestLeaksAreFound: a leak of each kind is found and named, and nothing else is reported.
func TestLeaksAreFound(t *testing.T) {
	if err := testenv.OpenSources("../.."); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := testenv.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := campaign{
		duration: 2 * time.Second, warmUp: 3 * time.Second, patience: wait.Patience, rate: 8, seed: 1,
		afterLoad: leak(t.Cleanup),
	}
	var out strings.Builder
	err = c.run(t.Context(), dir, program, &out)
	t.Log(out.String(), err)
	if err == nil {
		t.Fatal("nothing was found")
	}
	found := strings.Split(err.Error(), "\n")
	wanted := []string{
		"goroutines did not return", "open files did not return", "Redis connections did not return",
		"limiter keys: 200, want 0", "shown is",
	}
	if len(found) != len(wanted) {
		t.Errorf("%d problems, want %d", len(found), len(wanted))
	}
	for i, problem := range found[:min(len(found), len(wanted))] {
		if !strings.Contains(problem, wanted[i]) {
			t.Errorf("the problem is %q, want %q", problem, wanted[i])
		}
	}
}

// leak leaves open connections until the cleanup, keys without expiry, and a wrong view.
func leak(cleanup func(func())) func(context.Context, *environment) error {
	return func(ctx context.Context, env *environment) error {
		env.patience = 0 // the leak is permanent, so waiting is useless
		for i := range leaked {
			conn, err := net.Dial("tcp", env.kasse.Public)
			if err != nil {
				return err
			}
			cleanup(func() { conn.Close() })
			_, err = io.WriteString(conn, "GET /v1/config HTTP/1.1\r\nHost: kasse\r\n\r\n")
			mine := redis.NewClient(&redis.Options{Addr: env.Redis.Address})
			cleanup(func() { mine.Close() })
			err = errors.Join(err, mine.Set(ctx, fmt.Sprintf("kasse:{p0}:limit:leaked-%d", i), 1, 0).Err())
			if err != nil {
				return err
			}
		}
		for _, h := range env.done {
			if h.State == "paid" {
				return falsify(ctx, env.Redis.Client, env.payments[h.Order])
			}
		}
		return errors.New("no order was paid")
	}
}

// falsify stores another state for a payment.
func falsify(ctx context.Context, client *redis.Client, id string) error {
	keys, err := client.Keys(ctx, "kasse:*:order:*").Result()
	if err != nil {
		return err
	}
	for _, key := range keys {
		o, err := testenv.OrderAt(ctx, client, key)
		if err != nil {
			return err
		}
		p := o.Loaded[payment.ID(id)]
		if p == nil {
			continue
		}
		ended := p.Record.Terminal[0]
		ended.Status = payment.RequiresPaymentMethod
		p.Record.Terminal, p.Record.Creation = nil, &ended
		stored := append([]byte(o.Revision+"\n"), payment.Dictionary)
		return client.HSet(ctx, key, "order", o.AppendOrder(stored)).Err()
	}
	return fmt.Errorf("%s is not stored", id)
}

func TestCompare(t *testing.T) {
	idle, now := reading{}, expected{orders: 500, running: 40, entries: 1200}
	for _, r := range rules {
		idle[r.name] = 30
		if r.exact != nil {
			idle[r.name] = r.exact(now)
		}
		if r.bytes {
			idle[r.name] = 40 * mega
		}
	}
	if all := problems(compare(idle, idle, idle, now)); len(all) > 0 {
		t.Errorf("without a change: %v", all)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for what, by := range map[string]float64{"a leak": 200, "a leak of one per order": 500} {
				switch {
				case r.bytes:
					by *= 512 << 10
				case r.name == views: // some views stay cached
					by += mostViews
				}
				expectProblem(t, what, compare(idle, idle, idle.with(r.name, idle[r.name]+by), now), r.name)
			}
			if r.exact != nil && idle[r.name] > 0 {
				expectProblem(t, "one too few", compare(idle, idle, idle.with(r.name, idle[r.name]-1), now), r.name)
			}
			if r.exact == nil {
				slack := idle.with(r.name, idle[r.name]*r.factor+r.slack)
				if all := problems(compare(idle, idle, slack, now)); len(all) > 0 {
					t.Errorf("within the slack: %v", all)
				}
			}
			gone := idle.with(r.name, 0)
			delete(gone, r.name)
			expectProblem(t, "not measured", compare(idle, idle, gone, now), r.name)
		})
	}
}

// TestCompareViews: cached views may use memory, and a leak beyond them is found.
func TestCompareViews(t *testing.T) {
	base := reading{heap: 10 * mega, views: 100}
	for name, test := range map[string]struct {
		heap float64
		fits bool
	}{
		"memory of the views":    {heap: 75 * mega, fits: true},
		"more memory than views": {heap: 93 * mega},
	} {
		t.Run(name, func(t *testing.T) {
			figures := compare(base, base, reading{heap: test.heap, views: 10_100}, expected{})
			at := slices.IndexFunc(figures, func(f figure) bool { return f.name == heap })
			if c := figures[at].problem(); (c == "") != test.fits {
				t.Error(c)
			}
		})
	}
}

func (r reading) with(name string, value float64) reading {
	changed := reading{}
	changed.keepMax(r)
	changed[name] = value
	return changed
}

func expectProblem(t *testing.T, what string, figures []figure, name string) {
	t.Helper()
	all := problems(figures)
	if len(all) != 1 || !strings.HasPrefix(all[0], name) {
		t.Errorf("%s: %v", what, all)
	}
}

func TestStats(t *testing.T) {
	for name, test := range map[string]struct {
		status   int
		err      error
		canceled bool
		wrong    bool
	}{
		"answered":                    {status: http.StatusOK},
		"an expected refusal":         {status: http.StatusNotFound},
		"canceled":                    {err: context.Canceled, canceled: true},
		"answered before the cancel":  {status: http.StatusOK, canceled: true},
		"failed":                      {status: http.StatusServiceUnavailable, wrong: true},
		"failed just before a cancel": {status: http.StatusInternalServerError, canceled: true, wrong: true},
		"not answered":                {err: io.ErrUnexpectedEOF, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			var b stats
			b.record("a request", test.status, test.err, test.canceled)
			if got := len(b.problems()) > 0; got != test.wrong || (b.failed.Load() > 0) != test.wrong {
				t.Errorf("%v, failed %d", b.problems(), b.failed.Load())
			}
			if b.requests.Load() != b.responses.Load()+b.canceled.Load()+b.failed.Load() {
				t.Error("requests do not equal the sum of their results")
			}
		})
	}
}

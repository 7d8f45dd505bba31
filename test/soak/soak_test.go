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

const leaked = 200

// A leak of each kind is found, and named; nothing else is.
func TestLeaksAreFound(t *testing.T) {
	if err := testenv.LookAtSources("../.."); err != nil { // or the result is remembered while they change
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := testenv.Build(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := campaign{
		duration: 2 * time.Second, warmUp: 3 * time.Second, patience: wait.Patience, rate: 8, seed: 1,
		mischief: leak(t.Cleanup),
	}
	var out strings.Builder
	err = c.play(t.Context(), dir, program, &out)
	t.Log(out.String(), err)
	if err == nil {
		t.Fatal("nothing was found")
	}
	found := strings.Split(err.Error(), "\n")
	wanted := []string{
		"goroutines did not return", "open files did not return", "Redis connections did not return",
		"limiter keys: there are 200, and there should be 0", "shown is",
	}
	if len(found) != len(wanted) {
		t.Errorf("%d complaints, and should be %d", len(found), len(wanted))
	}
	for i, complaint := range found[:min(len(found), len(wanted))] {
		if !strings.Contains(complaint, wanted[i]) {
			t.Errorf("%q is not %q", complaint, wanted[i])
		}
	}
}

// leak leaves connections open until the cleanup, keys that do not expire, and a view that is not true.
func leak(cleanup func(func())) func(context.Context, *environment) error {
	return func(ctx context.Context, env *environment) error {
		env.patience = 0 // it will not go away
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

// falsify lets a payment be shown in another state.
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

func TestJudge(t *testing.T) {
	calm, now := reading{}, truth{orders: 500, running: 40, entries: 1200}
	for _, r := range rules {
		calm[r.name] = 30
		if r.exact != nil {
			calm[r.name] = r.exact(now)
		}
		if r.bytes {
			calm[r.name] = 40 * mega
		}
	}
	if all := complaints(judge(calm, calm, calm, now)); len(all) > 0 {
		t.Errorf("nothing has changed: %v", all)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for what, by := range map[string]float64{"a leak": 200, "a leak of one for an order": 500} {
				switch {
				case r.bytes:
					by *= 512 << 10
				case r.name == views: // some are kept
					by += mostViews
				}
				expectComplaint(t, what, judge(calm, calm, calm.with(r.name, calm[r.name]+by), now), r.name)
			}
			if r.exact != nil && calm[r.name] > 0 {
				expectComplaint(t, "one too few", judge(calm, calm, calm.with(r.name, calm[r.name]-1), now), r.name)
			}
			if r.exact == nil {
				slack := calm.with(r.name, calm[r.name]*r.factor+r.slack)
				if all := complaints(judge(calm, calm, slack, now)); len(all) > 0 {
					t.Errorf("within the slack: %v", all)
				}
			}
			gone := calm.with(r.name, 0)
			delete(gone, r.name)
			expectComplaint(t, "not measured", judge(calm, calm, gone, now), r.name)
		})
	}
}

// Views that are kept may take memory, and what is more is still found.
func TestJudgeOfViews(t *testing.T) {
	base := reading{heap: 10 * mega, views: 100}
	for name, test := range map[string]struct {
		heap float64
		fits bool
	}{
		"of the views": {heap: 75 * mega, fits: true},
		"of more":      {heap: 93 * mega},
	} {
		t.Run(name, func(t *testing.T) {
			figures := judge(base, base, reading{heap: test.heap, views: 10_100}, truth{})
			at := slices.IndexFunc(figures, func(f figure) bool { return f.name == heap })
			if c := figures[at].complaint(); (c == "") != test.fits {
				t.Error(c)
			}
		})
	}
}

func (r reading) with(name string, value float64) reading {
	changed := reading{}
	changed.peak(r)
	changed[name] = value
	return changed
}

func expectComplaint(t *testing.T, what string, figures []figure, name string) {
	t.Helper()
	all := complaints(figures)
	if len(all) != 1 || !strings.HasPrefix(all[0], name) {
		t.Errorf("%s: %v", what, all)
	}
}

func TestBooks(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		err    error
		gone   bool
		wrong  bool
	}{
		"answered":                     {status: http.StatusOK},
		"refused to a stranger":        {status: http.StatusNotFound},
		"hung up":                      {err: context.Canceled, gone: true},
		"answered before the hang-up":  {status: http.StatusOK, gone: true},
		"failed":                       {status: http.StatusServiceUnavailable, wrong: true},
		"failed just before a hang-up": {status: http.StatusInternalServerError, gone: true, wrong: true},
		"not answered":                 {err: io.ErrUnexpectedEOF, wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			var b books
			b.note("a request", test.status, test.err, test.gone)
			if got := len(b.complaints()) > 0; got != test.wrong || (b.failed.Load() > 0) != test.wrong {
				t.Errorf("%v, failed %d", b.complaints(), b.failed.Load())
			}
			if b.asked.Load() != b.answered.Load()+b.hungUp.Load()+b.failed.Load() {
				t.Error("the books do not balance")
			}
		})
	}
}

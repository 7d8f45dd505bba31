package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// TestFillIsWhatKasseWrites writes copies with the filler, and the same ones with Kasse's scripts, and compares all
// keys. The ids of the stream's entries may differ, and so may the buckets of the index by customer.
func TestFillIsWhatKasseWrites(t *testing.T) {
	const count = 400
	bare, scripted := redisOf(t), redisOf(t)
	f := &filler{
		client: bare, retention: 13_200 * time.Hour, ends: time.Now().Add(-time.Hour), step: time.Minute, count: count,
		workers: 3, templates: madeInTest, kind: func(m made, n int) *template {
			if n%5 == 0 {
				return m.open[0]
			}
			return m.paid[0]
		},
	}
	if err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.runScripts(t.Context(), scripted); err != nil {
		t.Fatal(err)
	}
	got, want := contents(t, bare), contents(t, scripted)
	if len(want) < 2*count {
		t.Fatalf("Kasse has written %d keys for %d orders", len(want), count)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Fatalf("%s is\n%q, want\n%q", key, got[key], want[key])
		}
		const apart = 10 * time.Minute // limit of the time between both fills
		ends, should := bare.TTL(t.Context(), key).Val(), scripted.TTL(t.Context(), key).Val()
		if (ends - should).Abs() > apart {
			t.Errorf("%s expires in %s, want %s", key, ends, should)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d keys, want %d", len(got), len(want))
	}
}

// madeAt is the creation time of the test's templates.
var madeAt = time.Now().Add(-time.Hour)

// madeInTest makes templates of a paid order and of an open one.
func madeInTest() (m made, err error) {
	now := madeAt
	for name, lasts := range map[string]time.Duration{"paid": 13_200 * time.Hour, "open": 0} {
		id := payment.ID("pi_3TemplateTemplateTemplate")[:27]
		o, c := storetest.Transition(payment.Order{ID: payment.OrderID("TPL-" + name)}, id, now)
		o.Listed.Created = now.UnixMilli()
		o.Loaded[id].SecretHash = strings.Repeat("0123456789abcdef", 4)
		o.Attempts[0].PointerUntil = now.Add(13_200 * time.Hour).Unix()
		event := payment.FeedEvent{
			ID: c.Events[0].ID, Type: c.Events[0].Type, Data: c.Events[0].Data,
			Entry: fmt.Sprintf("%d-0", now.UnixMilli()),
		}
		made := newTemplate(o, []payment.FeedEvent{event}, lasts)
		if lasts > 0 {
			m.paid = append(m.paid, made)
		} else {
			m.open = append(m.open, made)
		}
	}
	return m, nil
}

func redisOf(t *testing.T) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(storetest.RedisServer(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	s := store.New(client, store.Options{Partitions: partitionsOfBench})
	if err := s.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	return client
}

// runScripts writes the copies with the store.
func (f *filler) runScripts(ctx context.Context, client *redis.Client) error {
	own, err := f.templates()
	if err != nil {
		return err
	}
	s := store.New(client, store.Options{
		Partitions: partitionsOfBench, Retention: f.retention, EventRetention: 720 * time.Hour,
	})
	w := fillWorker{filler: f, now: time.Now()}
	for n := range f.count {
		c := f.kind(own, n)
		c.copy(n, f.createdAt(n), "")
		a := &c.order.Attempts[0]
		_, saveErr := s.SaveOrder(ctx, c.order, w.changes(c, n))
		err = errors.Join(err, saveErr, s.SavePointer(ctx, a.Payment, c.order.ID, time.Unix(a.PointerUntil, 0)))
	}
	return err
}

// contents returns the values of all keys, as texts. It leaves out the marks of the partitions and the directories of
// the index by customer.
func contents(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	ctx, all := t.Context(), map[string]string{}
	for keys := client.Scan(ctx, 0, "*", 1_000).Iterator(); keys.Next(ctx); {
		key := keys.Val()
		name, _, isBucket := strings.Cut(key, ":index:customer")
		switch kind := client.Type(ctx, key).Val(); {
		case strings.HasSuffix(key, "}:meta"), strings.HasSuffix(key, ":index:customer"):
		case isBucket:
			name += ":customers"
			members := fmt.Sprint(client.ZRange(ctx, key, 0, -1).Val())
			entries := append(strings.Fields(all[name]), strings.Fields(members)...)
			for i := range entries {
				entries[i] = strings.Trim(entries[i], "[]")
			}
			slices.Sort(entries)
			all[name] = strings.Join(entries, " ")
		case kind == "hash":
			_, body, _ := strings.Cut(client.HGet(ctx, key, "order").Val(), "\n") // the revision before it is random
			all[key] = fmt.Sprint(body, client.HLen(ctx, key).Val(), client.TTL(ctx, key).Val() > 0)
		case kind == "string":
			all[key] = fmt.Sprint(client.Get(ctx, key).Val(), client.PExpireTime(ctx, key).Val())
		case kind == "stream":
			for _, entry := range client.XRange(ctx, key, "-", "+").Val() {
				all[key] += fmt.Sprint(entry.Values)
			}
		case strings.HasSuffix(key, ":sweep"): // its times depend on the moment of the fill
			all[key] = fmt.Sprint(client.ZRange(ctx, key, 0, -1).Val())
		default:
			all[key] = fmt.Sprint(client.ZRangeWithScores(ctx, key, 0, -1).Val())
		}
	}
	return all
}

// TestGrowthTable prints a figure of two sizes, which has grown and must not grow.
func TestGrowthTable(t *testing.T) {
	s := sizes{counts: []int{1_000, 3_000_000}}
	for at, value := range []float64{2, 4_000} {
		s.note("a page", "Redis µs", perRequest, at, value)
	}
	var out strings.Builder
	s.print(&out)
	for _, line := range []string{
		"| measured | unit | 1,000 | 3,000,000 | grown by (data: 3,000 ×) | may grow |\n",
		"| a page | Redis µs | 2.00 | 4,000 | 2,000 | no |\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the line %q is missing:\n%s", line, out.String())
		}
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
)

// reply returns a read of a view that returns the version. If tracked, Redis reports changes of the view from then on.
func (c *cache) reply(key viewKey, version int64, tracked bool) func(context.Context) (payment.StoredView, error) {
	return func(context.Context) (payment.StoredView, error) {
		token, _ := c.Reserve(question(key), []string{"space:" + key.order})
		if tracked {
			c.FulfillOwned("", token, 1, nil)
		} else {
			c.Cancel("", token)
		}
		return payment.StoredView{View: []byte(`{"a":1,"customer":null}`), Version: version}, nil
	}
}

// trustedCache is a cache whose process is notified of changes.
func trustedCache(now func() time.Time) *cache {
	c := newCache(now)
	c.trustUntil(0, 0, now().Add(24*time.Hour))
	return c
}

// question is the cache key of go-redis for the read of a view: the command in Redis's protocol.
func question(key viewKey) string {
	const command = "space:*4\r\n$5\r\nhmget\r\n$%d\r\n%s\r\n$5\r\norder\r\n$%d\r\n%s\r\n"
	return fmt.Sprintf(command, len(key.order), key.order, len(key.field), key.field)
}

const someOrder = keyPrefix + "p0}:order:o-1"

// Two payments of one order, and one of another.
var (
	someKey    = viewKey{someOrder, recordPrefix + "pi_1"}
	siblingKey = viewKey{someOrder, recordPrefix + "pi_2"}
	otherKey   = viewKey{keyPrefix + "p0}:order:o-2", recordPrefix + "pi_3"}
)

// wantView fails the test unless the view of the key, from the cache or from load, has the version.
func (c *cache) wantView(
	t *testing.T, key viewKey, load func(context.Context) (payment.StoredView, error), want int64,
) {
	t.Helper()
	v, err := c.view(t.Context(), 0, key, load)
	if err != nil || v.Version != want {
		t.Errorf("%s: version %d, %v, want %d", key.field, v.Version, err, want)
	}
}

// wantSomeView is wantView for someKey.
func wantSomeView(t *testing.T, c *cache, load func(context.Context) (payment.StoredView, error), want int64) {
	t.Helper()
	c.wantView(t, someKey, load, want)
}

// TestReserveKnowsViews: Reserve recognizes views in go-redis's text of a command. TestCacheOfViews shows on
// a real server that this is go-redis's text.
func TestReserveKnowsViews(t *testing.T) {
	c := trustedCache(time.Now)
	for text, want := range map[string]viewKey{
		question(someKey):    someKey,
		question(siblingKey): siblingKey,
		"space:*3\r\n$4\r\nhget\r\n$13\r\nx:record:pi_1\r\n$6\r\nschema\r\n": {},
		"space:*2\r\n$3\r\nget\r\n$1\r\nx\r\n":                               {},
	} {
		token, fetch := c.Reserve(text, []string{"space:" + someOrder})
		if got := c.asked[token]; got != want || !fetch {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// reported returns a step of a test: Redis reports a change of the order.
func reported(order string) func(*cache, *time.Time) {
	return func(c *cache, _ *time.Time) { c.DeleteByRedisKey("space:" + order) }
}

func TestCacheKeepsUntilChanged(t *testing.T) {
	tests := map[string]struct {
		tracked bool
		change  func(*cache, *time.Time)
		kept    bool // of this order
		other   bool // of another
	}{
		"nothing happens":         {true, func(*cache, *time.Time) {}, true, true},
		"another order changes":   {true, reported(otherKey.order), true, false},
		"the order changes":       {true, reported(someOrder), false, true},
		"a hint arrives":          {true, func(c *cache, _ *time.Time) { c.forget(someOrder) }, false, true},
		"everything changes":      {true, func(c *cache, _ *time.Time) { c.Flush() }, false, false},
		"its connection ends":     {true, func(c *cache, _ *time.Time) { c.EvictByConn(1) }, false, false},
		"another connection ends": {true, func(c *cache, _ *time.Time) { c.EvictByConn(2) }, true, true},
		"it is cacheAge old":      {true, func(_ *cache, now *time.Time) { *now = now.Add(cacheAge) }, false, false},
		"Redis does not track":    {false, func(*cache, *time.Time) {}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1, 0)
			c := trustedCache(func() time.Time { return now })
			all := []viewKey{someKey, siblingKey, otherKey}
			for _, key := range all {
				c.wantView(t, key, c.reply(key, 1, test.tracked), 1)
			}
			test.change(c, &now)
			views := map[bool]int64{false: 2, true: 1}
			for _, key := range all {
				want := views[test.kept]
				if key == otherKey {
					want = views[test.other]
				}
				c.wantView(t, key, c.reply(key, 2, true), want)
			}
			if n := c.stats().Views; n != len(all) {
				t.Errorf("%d views are counted, want %d", n, len(all))
			}
		})
	}
}

// TestCacheSkipsViewsChangedDuringRead: a view that changes while it is being read is not kept, for each
// way in which the cache learns of the change. An error is not kept either.
func TestCacheSkipsViewsChangedDuringRead(t *testing.T) {
	for name, change := range map[string]func(*cache){
		"reported": func(c *cache) { c.DeleteByRedisKey("space:" + someOrder) },
		"hint":     func(c *cache) { c.forget(someOrder) },
		"closed":   func(c *cache) { c.EvictByConn(1) },
		"flushed":  func(c *cache) { c.Flush() },
	} {
		c := trustedCache(time.Now)
		wantSomeView(t, c, func(ctx context.Context) (payment.StoredView, error) {
			v, err := c.reply(someKey, 1, true)(ctx)
			change(c)
			return v, err
		}, 1)
		if kept := c.stats(); kept.Views != 0 {
			t.Errorf("%s: the view was kept", name)
		}
	}
	c := trustedCache(time.Now)
	failure := errors.New("unreachable")
	if _, err := c.view(t.Context(), 0, someKey, func(ctx context.Context) (payment.StoredView, error) {
		v, _ := c.reply(someKey, 1, true)(ctx)
		return v, failure
	}); !errors.Is(err, failure) {
		t.Error(err)
	}
	wantSomeView(t, c, c.reply(someKey, 2, true), 2)
}

// TestCacheReadsOnce: concurrent readers of one view share one read. A reader that comes after a change does
// not share a read that began before it.
func TestCacheReadsOnce(t *testing.T) {
	c := trustedCache(time.Now)
	began, goOn := make(chan struct{}), make(chan struct{})
	slow := func(ctx context.Context) (payment.StoredView, error) {
		close(began)
		<-goOn
		return c.reply(someKey, 1, true)(ctx)
	}
	var work sync.WaitGroup
	work.Go(func() { wantSomeView(t, c, slow, 1) })
	<-began
	never := func(context.Context) (payment.StoredView, error) {
		return payment.StoredView{}, errors.New("it was read twice")
	}
	for range 8 {
		work.Go(func() { wantSomeView(t, c, never, 1) })
	}
	for c.misses.Load() < 9 { // all of them wait
		time.Sleep(time.Millisecond)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.view(canceled, 0, someKey, never); err == nil {
		t.Error("a canceled reader got an answer")
	}
	c.wantView(t, siblingKey, c.reply(siblingKey, 7, true), 7) // another payment of the order is another read
	c.forget(someOrder)
	wantSomeView(t, c, c.reply(someKey, 2, true), 2)
	close(goOn)
	work.Wait()
	wantSomeView(t, c, c.reply(someKey, 3, true), 3)
	wantSomeView(t, c, never, 3)
}

func TestCacheIsBounded(t *testing.T) {
	c := trustedCache(time.Now)
	for n := range 2 * cacheShards * shardViews {
		key := viewKey{fmt.Sprint(keyPrefix, "p0}:order:o-", n/2), fmt.Sprint(recordPrefix, "pi_", n)}
		if _, err := c.view(t.Context(), 0, key, c.reply(key, 1, true)); err != nil {
			t.Fatal(err)
		}
	}
	if views := c.stats().Views; views > cacheShards*shardViews || views < cacheShards*shardViews/2 {
		t.Errorf("%d views are kept", views)
	}
	if len(c.asked) > 0 || len(c.shard(someOrder).reading) > 0 {
		t.Error("reads that have ended are kept")
	}
}

// TestCacheOrdersReportsBeforeReplies: a view is not kept if Redis reports a change before its reply has
// arrived, since go-redis may report a later change before it returns the reply. A tracking confirmation
// of another field of the key does not confirm the view.
func TestCacheOrdersReportsBeforeReplies(t *testing.T) {
	view := payment.StoredView{View: []byte(`{"customer":null}`), Version: 1}
	redisKey := "space:" + someOrder
	for name, meanwhile := range map[string]func(c *cache){
		"reported before the reply": func(c *cache) {
			token, _ := c.Reserve(question(someKey), []string{redisKey})
			c.DeleteByRedisKey(redisKey)
			c.FulfillOwned("", token, 1, nil)
		},
		"another field was read": func(c *cache) {
			token, _ := c.Reserve(question(viewKey{someOrder, "other:pi_1"}), []string{redisKey})
			c.FulfillOwned("", token, 1, nil)
		},
		"the view of another payment was read": func(c *cache) {
			token, _ := c.Reserve(question(siblingKey), []string{redisKey})
			c.FulfillOwned("", token, 1, nil)
		},
	} {
		c := trustedCache(time.Now)
		wantSomeView(t, c, func(context.Context) (payment.StoredView, error) {
			meanwhile(c)
			return view, nil
		}, 1)
		if c.stats().Views != 0 {
			t.Errorf("%s: the view is kept", name)
		}
	}
}

// TestCacheSkipsOverlappingReads: two reads of a view overlap, and the second begins after a change. Neither is
// kept, since it is unknown which connection answered which read. Reads of two payments of one order do not
// overlap.
func TestCacheSkipsOverlappingReads(t *testing.T) {
	c := trustedCache(time.Now)
	wantSomeView(t, c, func(ctx context.Context) (payment.StoredView, error) {
		c.forget(someOrder)
		wantSomeView(t, c, c.reply(someKey, 2, true), 2)           //nolint:contextcheck // it has the test's context
		c.wantView(t, siblingKey, c.reply(siblingKey, 2, true), 2) //nolint:contextcheck // as above
		return c.reply(someKey, 1, true)(ctx)
	}, 1)
	if c.stats().Views != 1 {
		t.Error("one of the overlapping views is kept, or the other payment's is not")
	}
	c.wantView(t, siblingKey, c.reply(siblingKey, 3, true), 2)
	wantSomeView(t, c, c.reply(someKey, 3, true), 3)
	wantSomeView(t, c, c.reply(someKey, 4, true), 3)
}

func TestCacheSkipsLargeViews(t *testing.T) {
	c := trustedCache(time.Now)
	large := func(ctx context.Context) (payment.StoredView, error) {
		v, err := c.reply(someKey, 1, true)(ctx)
		v.View = append(make([]byte, largestView), v.View...)
		return v, err
	}
	wantSomeView(t, c, large, 1)
	if c.stats().Views != 0 {
		t.Error("a view larger than largestView is kept")
	}
}

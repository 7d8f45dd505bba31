package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"kasse/service"
)

// reply is a read that gives what it is told, of which Redis tells from then on, if told.
func (c *cache) reply(key string, version int64, told bool) func(context.Context) (service.StoredView, error) {
	return func(context.Context) (service.StoredView, error) {
		token, _ := c.Reserve("space:"+askView+key, []string{"space:" + key})
		if told {
			c.FulfillOwned("", token, 1, nil)
		} else {
			c.Cancel("", token)
		}
		return service.StoredView{View: []byte(`{"a":1,"customer":null}`), Version: version}, nil
	}
}

const someKey = keyPrefix + "p0}:payment:pi_1"

// asked fails the test unless the view has the version, whether it is kept or read.
func asked(t *testing.T, c *cache, load func(context.Context) (service.StoredView, error), want int64) {
	t.Helper()
	v, err := c.view(t.Context(), someKey, load)
	if err != nil || v.Version != want {
		t.Errorf("version %d, %v, want %d", v.Version, err, want)
	}
}

func TestCacheKeepsUntilToldOtherwise(t *testing.T) {
	tests := map[string]struct {
		told   bool
		change func(*cache, *time.Time)
		kept   bool
	}{
		"nothing happens":         {true, func(*cache, *time.Time) {}, true},
		"another key changes":     {true, func(c *cache, _ *time.Time) { c.DeleteByRedisKey("space:" + keyPrefix + "p0}:payment:pi_2") }, true},
		"the key changes":         {true, func(c *cache, _ *time.Time) { c.DeleteByRedisKey("space:" + someKey) }, false},
		"a hint comes":            {true, func(c *cache, _ *time.Time) { c.forget(someKey) }, false},
		"everything changes":      {true, func(c *cache, _ *time.Time) { c.Flush() }, false},
		"its connection ends":     {true, func(c *cache, _ *time.Time) { c.EvictByConn(1) }, false},
		"another connection ends": {true, func(c *cache, _ *time.Time) { c.EvictByConn(2) }, true},
		"it has grown old":        {true, func(_ *cache, now *time.Time) { *now = now.Add(cacheAge) }, false},
		"Redis will tell nothing": {false, func(*cache, *time.Time) {}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1, 0)
			c := newCache(func() time.Time { return now })
			asked(t, c, c.reply(someKey, 1, test.told), 1)
			test.change(c, &now)
			want := int64(2)
			if test.kept {
				want = 1
			}
			asked(t, c, c.reply(someKey, 2, true), want)
		})
	}
}

// What changes while it is being read is not kept, whichever way that is heard; a failure is not kept either.
func TestCacheKeepsNothingDoubtful(t *testing.T) {
	for name, change := range map[string]func(*cache){
		"told": func(c *cache) { c.DeleteByRedisKey("space:" + someKey) }, "hint": func(c *cache) { c.forget(someKey) },
		"deaf": func(c *cache) { c.EvictByConn(1) }, "flushed": func(c *cache) { c.Flush() },
	} {
		c := newCache(time.Now)
		asked(t, c, func(ctx context.Context) (service.StoredView, error) {
			v, err := c.reply(someKey, 1, true)(ctx)
			change(c)
			return v, err
		}, 1)
		if state := c.state(); state.Views != 0 {
			t.Errorf("%s: it was kept", name)
		}
	}
	c := newCache(time.Now)
	failure := errors.New("away")
	if _, err := c.view(t.Context(), someKey, func(ctx context.Context) (service.StoredView, error) {
		v, _ := c.reply(someKey, 1, true)(ctx)
		return v, failure
	}); !errors.Is(err, failure) {
		t.Error(err)
	}
	asked(t, c, c.reply(someKey, 2, true), 2)
}

// Those who read the same at once read it once; but who comes after a change does not get what was asked before it.
func TestCacheReadsOnce(t *testing.T) {
	c := newCache(time.Now)
	began, goOn := make(chan struct{}), make(chan struct{})
	slow := func(ctx context.Context) (service.StoredView, error) {
		close(began)
		<-goOn
		return c.reply(someKey, 1, true)(ctx)
	}
	var work sync.WaitGroup
	work.Go(func() { asked(t, c, slow, 1) })
	<-began
	never := func(context.Context) (service.StoredView, error) {
		return service.StoredView{}, errors.New("it was read twice")
	}
	for range 8 {
		work.Go(func() { asked(t, c, never, 1) })
	}
	for c.misses.Load() < 9 { // all of them wait
		time.Sleep(time.Millisecond)
	}
	hasty, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := c.view(hasty, someKey, never); err == nil {
		t.Error("who has hung up got an answer")
	}
	c.forget(someKey)
	asked(t, c, c.reply(someKey, 2, true), 2)
	close(goOn)
	work.Wait()
	asked(t, c, c.reply(someKey, 3, true), 3)
	asked(t, c, never, 3)
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(time.Now)
	for n := range 2 * cacheShards * shardViews {
		key := fmt.Sprint(keyPrefix, "p0}:payment:pi_", n)
		if _, err := c.view(t.Context(), key, c.reply(key, 1, true)); err != nil {
			t.Fatal(err)
		}
	}
	if views := c.state().Views; views > cacheShards*shardViews || views < cacheShards*shardViews/2 {
		t.Errorf("%d views are kept", views)
	}
	if len(c.asked) > 0 || len(c.shard(someKey).reading) > 0 {
		t.Error("reads that have ended are remembered")
	}
}

// What Redis tells while an answer is on its way may be about that answer: go-redis may say so before it hands the answer
// on. And the word on something else of the same key is none on the view.
func TestCacheHearsInAnyOrder(t *testing.T) {
	view := service.StoredView{View: []byte(`{"customer":null}`), Version: 1}
	name := "space:" + someKey
	for what, meanwhile := range map[string]func(c *cache){
		"told before the answer": func(c *cache) {
			token, _ := c.Reserve(askView, []string{name})
			c.DeleteByRedisKey(name)
			c.FulfillOwned(askView, token, 1, nil)
		},
		"a history was read": func(c *cache) {
			token, _ := c.Reserve("hget", []string{name})
			c.FulfillOwned("hget", token, 1, nil)
		},
	} {
		c := newCache(time.Now)
		asked(t, c, func(context.Context) (service.StoredView, error) {
			meanwhile(c)
			return view, nil
		}, 1)
		if c.state().Views != 0 {
			t.Errorf("%s: the view is kept", what)
		}
	}
}

// Of two reads at once, of which the second begins after something was forgotten, neither is kept: it is not known which of
// them Redis has answered on which connection.
func TestCacheKeepsNothingCrowded(t *testing.T) {
	c := newCache(time.Now)
	asked(t, c, func(ctx context.Context) (service.StoredView, error) {
		c.forget(someKey)
		asked(t, c, c.reply(someKey, 2, true), 2) //nolint:contextcheck // it asks in the name of the test
		return c.reply(someKey, 1, true)(ctx)
	}, 1)
	if c.state().Views != 0 {
		t.Error("one of them is kept")
	}
	asked(t, c, c.reply(someKey, 3, true), 3)
	asked(t, c, c.reply(someKey, 4, true), 3)
}

func TestCacheKeepsNothingLarge(t *testing.T) {
	c := newCache(time.Now)
	large := func(ctx context.Context) (service.StoredView, error) {
		v, err := c.reply(someKey, 1, true)(ctx)
		v.View = append(make([]byte, largestView), v.View...)
		return v, err
	}
	asked(t, c, large, 1)
	if c.state().Views != 0 {
		t.Error("it is kept")
	}
}

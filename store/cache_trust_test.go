package store

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
)

// TestCacheTrustsTheHolder: a view is served only while the server that it was read from is trusted with the partition,
// and no other server is.
func TestCacheTrustsTheHolder(t *testing.T) {
	const here, there serverNumber = 1, 2
	now := time.Unix(1, 0)
	soon := now.Add(time.Second)
	for name, test := range map[string]struct {
		change func(c *cache)
		want   int64
	}{
		"nothing happens":                   {func(*cache) {}, 1},
		"its server is distrusted":          {func(c *cache) { c.distrust(0, here) }, 2},
		"another server is distrusted":      {func(c *cache) { c.distrust(0, there) }, 1},
		"another server is trusted":         {func(c *cache) { c.trustUntil(0, there, soon) }, 2},
		"another for another partition":     {func(c *cache) { c.trustUntil(1, there, soon) }, 1},
		"the trust in its server has ended": {func(c *cache) { c.trustUntil(0, here, now) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(func() time.Time { return now })
			c.trustUntil(0, here, soon)
			read := func(version int64) func(context.Context) (payment.StoredView, error) {
				return func(context.Context) (payment.StoredView, error) {
					token, _ := c.Reserve(question(someKey), []string{"space:" + someOrder})
					tracking{c, here}.FulfillOwned("", token, 1, nil)
					return payment.StoredView{View: []byte(`{"customer":null}`), Version: version}, nil
				}
			}
			wantSomeView(t, c, read(1), 1)
			test.change(c)
			wantSomeView(t, c, read(2), test.want)
		})
	}
}

// TestCacheNeedsTheLastCommandTracked: a view that takes two commands is kept only if the last of them is tracked. That
// one may have been answered by another server, which is taking over the slot.
func TestCacheNeedsTheLastCommandTracked(t *testing.T) {
	c := trustedCache(time.Now)
	wantSomeView(t, c, func(ctx context.Context) (payment.StoredView, error) {
		v, err := c.reply(someKey, 1, true)(ctx)
		token, _ := c.Reserve(question(someKey), []string{"space:" + someOrder})
		c.Cancel("", token)
		return v, err
	}, 1)
	wantSomeView(t, c, c.reply(someKey, 2, true), 2)
}

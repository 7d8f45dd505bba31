package store

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
)

// A view is served while the server that it was read from is trusted with the partition, and no other.
func TestCacheTrustsTheHolder(t *testing.T) {
	const here, there serverNumber = 1, 2
	now := time.Unix(1, 0)
	soon := now.Add(time.Second)
	for name, test := range map[string]struct {
		change func(c *cache)
		want   int64
	}{
		"nothing happens":                {func(*cache) {}, 1},
		"it gives the partition up":      {func(c *cache) { c.distrust(0, here) }, 2},
		"another gives the partition up": {func(c *cache) { c.distrust(0, there) }, 1},
		"another is trusted":             {func(c *cache) { c.trustUntil(0, there, soon) }, 2},
		"another partition's is trusted": {func(c *cache) { c.trustUntil(1, there, soon) }, 1},
		"it is silent":                   {func(c *cache) { c.trustUntil(0, here, now) }, 2},
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
			asked(t, c, read(1), 1)
			test.change(c)
			asked(t, c, read(2), test.want)
		})
	}
}

// A view that takes two commands is not kept unless the last of them is tracked: the second may have been answered by
// a server to which the key is on its way.
func TestCacheNeedsTheLastCommandTracked(t *testing.T) {
	c := trustedCache(time.Now)
	asked(t, c, func(ctx context.Context) (payment.StoredView, error) {
		v, err := c.reply(someKey, 1, true)(ctx)
		token, _ := c.Reserve(question(someKey), []string{"space:" + someOrder})
		c.Cancel("", token)
		return v, err
	}, 1)
	asked(t, c, c.reply(someKey, 2, true), 2)
}

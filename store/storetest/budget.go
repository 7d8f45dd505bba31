package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/wait"
)

func (connect connector) testBudget(t *testing.T) {
	t.Run("is shared by all stores", func(t *testing.T) {
		const perSecond = 5
		f := fresh(t, connect)
		stores := []*store.Store{f.Store, store.New(f.client, options)}
		began := f.now(t)
		allowed := 0
		var delay time.Duration
		for delay == 0 && allowed < 1_000 {
			var err error
			delay, err = stores[allowed%2].AllowRead(t.Context(), perSecond)
			Must(t, err)
			if delay == 0 {
				allowed++
			}
		}
		most := perSecond + int(f.now(t).Sub(began).Seconds()*perSecond) + 1
		if allowed < perSecond || allowed > most {
			t.Errorf("%d reads were allowed, want %d to %d", allowed, perSecond, most)
		}
		if delay > time.Second/perSecond {
			t.Errorf("the next read has to wait %s, want at most %s", delay, time.Second/perSecond)
		}
		wait.UntilTrue(t, "the budget to fill", func() bool {
			delay, err := stores[1].AllowRead(t.Context(), perSecond)
			Must(t, err)
			return delay == 0
		})
	})
	t.Run("leaves a share to the background", connect.testSpared)
}

// testSpared: lookups leave half of the budget to background reads. It sets the budget's time directly, so that no wait
// is needed.
func (connect connector) testSpared(t *testing.T) {
	const perSecond = 1_000
	f := fresh(t, connect)
	used := func(part float64) {
		t.Helper()
		full := f.now(t).Add(time.Duration(part * float64(time.Second)))
		Must(t, f.client.Set(t.Context(), "kasse:{p0}:budget", full.UnixMicro(), 0).Err())
	}
	for _, step := range []struct {
		used           float64 // share of a second's reads; some are available again before the check
		lookup, spared bool
	}{{0, true, true}, {0.3, true, true}, {0.95, false, true}} {
		used(step.used)
		delay, err := f.AllowLookup(t.Context(), perSecond)
		if Must(t, err); (delay == 0) != step.lookup || delay > time.Second/2 {
			t.Errorf("with %.2f used a caller waits %s", step.used, delay)
		}
		delay, err = f.AllowRead(t.Context(), perSecond)
		if Must(t, err); (delay == 0) != step.spared {
			t.Errorf("with %.2f used the background waits %s", step.used, delay)
		}
	}
}

func (connect connector) testUnknown(t *testing.T) {
	f := fresh(t, connect)
	Must(t, f.SetUnknown(t.Context(), "pi_1"))
	for id, want := range map[payment.ID]bool{"pi_1": true, "pi_2": false} {
		got, err := store.New(f.client, options).IsUnknown(t.Context(), id)
		if Must(t, err); got != want {
			t.Errorf("%s is unknown: %t", id, got)
		}
	}
	key := ""
	for _, k := range allKeys(t.Context(), f.client) {
		if strings.Contains(k, "pi_1") { // a caller may have sent a client secret by mistake
			t.Errorf("the id is in the key %s", k)
		}
		if strings.HasPrefix(k, fmt.Sprintf("kasse:{p%d}:unknown:", hashed("pi_1"))) {
			key = k
		}
	}
	if left := f.client.TTL(t.Context(), key).Val(); left <= 0 || left > time.Minute {
		t.Errorf("it expires in %s, want at most a minute", left)
	}
}

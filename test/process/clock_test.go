package process_test

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// aheadInCheck matches the duration in kasse check's line about a clock.
var aheadInCheck = regexp.MustCompile(` is ([0-9hms]+) ahead of this machine's`)

// TestClockOfRedis: Redis's clock is five minutes ahead, then steps back. Kasse accepts its own
// tokens, refuses no caller for longer than a limit's period, and locks no order for longer than
// its lease.
func TestClockOfRedis(t *testing.T) {
	t.Parallel()
	const ahead = 300 * time.Second
	server, clock := storetest.NewTimedServer(t, ahead)
	w := newEnvOn(t, server, stripesim.Options{})
	settings := map[string]string{
		"RATE_LIMIT_FRONTEND": "4/m", "RATE_LIMIT_FRONTEND_STRIPE": "",
		"ORDER_TOKEN_SECRETS": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
	}
	all := w.serve(2, settings)
	var minted struct{ Token string }
	all[0].must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/order-tokens", orderBody("shop-1", w.customer()),
	).decode(t, &minted)
	all[1].must(http.StatusCreated, minted.Token, http.MethodPost, "/v1/payments", "")
	code, found := w.checked(settings)
	expect(t, "exit code of check", code, 1)
	expectLines(t, found, "wrong    redis: the clock of 127.0.0.1 … ahead of this machine's")
	// A slow request to Redis makes the measurement less exact.
	if match := aheadInCheck.FindStringSubmatch(found); match == nil {
		t.Errorf("kasse check prints no duration: %s", found)
	} else if printed, err := time.ParseDuration(match[1]); err != nil || (printed-ahead).Abs() > 10*time.Second {
		t.Errorf("kasse check prints %q (%v), want %s within 10 s", match[1], err, ahead)
	}
	if value, ok := all[0].metric("kasse_redis_clock_ahead_seconds"); !ok || value < 290 || value > 310 {
		t.Errorf("kasse_redis_clock_ahead_seconds is %v (found: %t), want 290 to 310", value, ok)
	}

	w.noError(w.sim.SetLatency(createRoute, time.Hour))
	customer := w.customer()
	answered := all[0].createInBackground("shop-2", customer)
	wait.UntilTrue(t, "the create at Stripe", func() bool { return w.sim.Count(createRoute) >= 2 })
	all[0].kill() // the killed process holds the order's lease
	<-answered
	w.sim.ClearFaults()
	// Redis counts the requests of the order.
	wait.UntilTrue(t, "a create that the limit refuses", func() bool {
		a, err := all[1].request(minted.Token, http.MethodPost, "/v1/payments", "")
		return err == nil && a.status == http.StatusTooManyRequests
	})
	clock.Set(0)
	// Stripe has created the payment during the first create.
	all[1].must(http.StatusOK, backendKey, http.MethodPost, "/v1/payments", orderBody("shop-2", customer))
	all[1].must(http.StatusOK, minted.Token, http.MethodPost, "/v1/payments", "")
}

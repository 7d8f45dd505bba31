package process_test

import (
	"net/http"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// Redis's clock stands five minutes ahead, then steps back: our own tokens are accepted, no caller is refused for
// longer than a limit's period, and no order is locked for longer than its lease.
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
	lines(t, found, "wrong    redis: the clock of 127.0.0.1 … 5m0s ahead of this machine's")
	if value, ok := all[0].metric("kasse_redis_clock_ahead_seconds"); !ok || value < 290 || value > 310 {
		t.Errorf("kasse_redis_clock_ahead_seconds is %v", value)
	}

	w.no(w.sim.SetLatency(createRoute, time.Hour))
	customer := w.customer()
	answered := all[0].createInBackground("shop-2", customer)
	wait.Until(t, "Stripe to be asked", func() error { return yet(w.sim.Count(createRoute) == 2) })
	all[0].kill() // it holds the order's lease
	<-answered
	w.sim.ClearFaults()
	refused := 0
	for range 10 { // of one order, counted in Redis
		a, err := all[1].ask(minted.Token, http.MethodPost, "/v1/payments", "")
		if err == nil && a.status == http.StatusTooManyRequests {
			refused++
		}
	}
	expect(t, "creates are refused before", refused > 0, true)
	clock.Set(0)
	all[1].must(
		http.StatusOK, backendKey, http.MethodPost, "/v1/payments", orderBody("shop-2", customer),
	) // Stripe has made it
	all[1].must(http.StatusOK, minted.Token, http.MethodPost, "/v1/payments", "")
}

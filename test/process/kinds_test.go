package process_test

import (
	"fmt"
	"net/http"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// replicated is a Redis with a master that the test can kill.
type replicated interface {
	URL() string
	KillMaster()
}

// TestEveryKindOfRedis opens and pays orders on a Redis Cluster and behind sentinels, before and
// after a master is killed. No acknowledged write is lost, and no process needs a restart.
func TestEveryKindOfRedis(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(testing.TB, ...string) replicated{
		"cluster": func(t testing.TB, args ...string) replicated {
			t.Helper()
			return storetest.NewCluster(t, 3, 4, args...)
		},
		"sentinel": func(t testing.TB, args ...string) replicated {
			t.Helper()
			return storetest.NewSentinels(t, args...)
		},
	}
	for mode, start := range kinds {
		t.Run(mode, func(t *testing.T) {
			redis := start(t, keepsWrites...)
			w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{validWebhook}})
			settings := map[string]string{
				"REDIS_MODE": mode, "REDIS_URL": redis.URL(), "REDIS_WAIT_REPLICAS": "1", "REDIS_DURABILITY": "require",
				"REDIS_PARTITIONS": "8",
			}
			code, found := w.checked(settings)
			expect(t, "exit code of check", code, 0)
			expectLines(t, found, `class "every write + 1 replica"`)
			all := w.serve(2, settings)
			const warning = "a failover of Redis may lose acknowledged writes"
			expectContains(t, all[0].stderr.String(), warning) // one of two replicas confirms
			customer := w.customer()
			var paid []view
			for n := range 8 {
				paid = append(paid, w.openAndPay(all, fmt.Sprintf("before-%d", n), customer))
			}
			redis.KillMaster()
			for n := range 8 {
				w.openAndPay(all, fmt.Sprintf("after-%d", n), customer)
			}
			for _, v := range paid {
				all[1].awaitState(v, "paid")
			}
			w.checkPaidOnce(all[0], 16)
		})
	}
}

// openAndPay opens a payment at one process, pays it, and polls the other until it shows the
// payment as paid.
func (w *processEnv) openAndPay(all []*process, order, customer string) view {
	w.t.Helper()
	v := w.createDuringFailover(all[0], order, customer)
	w.pay(v, "pm_card_visa")
	all[1].awaitState(v, "paid")
	return v
}

// createDuringFailover opens a payment as a backend does that repeats temporary refusals. It fails
// the test after any other refusal, and if a refusal has no Retry-After.
func (w *processEnv) createDuringFailover(p *process, order, customer string) (v view) {
	w.t.Helper()
	wait.Until(w.t, "the payment of "+order, func() error {
		a, err := p.request(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		switch {
		case err != nil:
			w.t.Fatal(err)
		case a.status == http.StatusCreated || a.status == http.StatusOK:
			v = a.view(w.t)
			return nil
		case a.status != http.StatusServiceUnavailable && a.status != http.StatusConflict:
			w.t.Fatalf("the create of %s: got %d %s, want success, 409 or 503", order, a.status, a.body)
		case a.header.Get("Retry-After") == "":
			w.t.Errorf("the create of %s: %d has no Retry-After", order, a.status)
		}
		return fmt.Errorf("got %d %s", a.status, a.body)
	})
	return v
}

// checkPaidOnce fails the test unless the feed contains order.paid of this many orders, each once.
func (w *processEnv) checkPaidOnce(p *process, want int) {
	w.t.Helper()
	var page struct {
		Events []struct {
			Type string
			Data view
		}
	}
	p.must(http.StatusOK, backendKey, http.MethodGet, "/v1/events?limit=500", "").decode(w.t, &page)
	paid := map[string]int{}
	for _, e := range page.Events {
		if e.Type == "order.paid" {
			paid[e.Data.OrderID]++
		}
	}
	for order, times := range paid {
		if times != 1 {
			w.t.Errorf("the feed has order.paid of %s %d times, want once", order, times)
		}
	}
	expect(w.t, "number of paid orders in the feed", len(paid), want)
}

package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// replicated is a Redis whose master can be killed.
type replicated interface {
	URL() string
	KillMaster()
}

// TestEveryKindOfRedis plays the main job on a Redis Cluster and behind sentinels, kills a master under it, and
// plays on: what was acknowledged is still there, and no process needs a restart.
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
			w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}})
			settings := map[string]string{
				"REDIS_MODE": mode, "REDIS_URL": redis.URL(), "REDIS_WAIT_REPLICAS": "1", "REDIS_DURABILITY": "require",
				"REDIS_PARTITIONS": "8",
			}
			code, found := w.checked(settings)
			expect(t, "exit code of check", code, 0)
			lines(t, found, `class "every write + 1 replica"`)
			all := w.serve(2, settings)
			const warning = "a failover of Redis may lose acknowledged writes"
			if !strings.Contains(all[0].stderr.String(), warning) {
				t.Error("the log does not say that one of two replicas confirms")
			}
			customer := w.customer()
			var paid []view
			for n := range 8 {
				paid = append(paid, w.mainJob(all, fmt.Sprintf("before-%d", n), customer))
			}
			redis.KillMaster()
			for n := range 8 {
				w.mainJob(all, fmt.Sprintf("after-%d", n), customer)
			}
			for _, v := range paid {
				all[1].awaitState(v, "paid")
			}
			w.paidOnce(all[0], 16)
		})
	}
}

// mainJob opens a payment at one process, pays, and waits at the other until the webhook has come, by a poll that
// is held.
func (w *processEnv) mainJob(all []*process, order, customer string) view {
	w.t.Helper()
	v := w.createThrough(all[0], order, customer)
	w.pay(v, "pm_card_visa")
	all[1].awaitState(v, "paid")
	return v
}

// createThrough opens a payment as a backend does that repeats temporary refusals. Every refusal is
// temporary, and none takes longer than its bound.
func (w *processEnv) createThrough(p *process, order, customer string) (v view) {
	w.t.Helper()
	wait.Until(w.t, "the payment of "+order, func() error {
		a, err := p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		switch {
		case err != nil:
			w.t.Fatal(err)
		case a.status == http.StatusCreated || a.status == http.StatusOK:
			v = a.view(w.t)
			return nil
		case a.status != http.StatusServiceUnavailable && a.status != http.StatusConflict:
			w.t.Fatalf("answered %d %s", a.status, a.body)
		case a.header.Get("Retry-After") == "":
			w.t.Errorf("%d has no Retry-After", a.status)
		}
		return fmt.Errorf("%d %s", a.status, a.body)
	})
	return v
}

// paidOnce fails the test unless the feed announces so many orders as paid, each once.
func (w *processEnv) paidOnce(p *process, want int) {
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
			w.t.Errorf("%s was announced as paid %d times", order, times)
		}
	}
	expect(w.t, "paid orders in the feed", len(paid), want)
}

package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// scrape returns the process's metrics in Prometheus's text format.
func (p *process) scrape() string {
	p.t.Helper()
	a, err := call(p.t.Context(), p.client, http.MethodGet, p.admin+"/metrics", nil, "")
	if err != nil || a.status != http.StatusOK {
		p.t.Fatalf("/metrics: status %d (%v), want 200", a.status, err)
	}
	return string(a.body)
}

// metric returns the sum of a metric's lines that contain all of the labels, such as
// `outcome="applied"`.
func (p *process) metric(name string, labels ...string) (sum float64, found bool) {
	p.t.Helper()
next:
	for line := range strings.Lines(p.scrape()) {
		rest, matches := strings.CutPrefix(line, name)
		if !matches || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		for _, label := range labels {
			if !strings.Contains(rest, label) {
				continue next
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, " "):]), 64)
		if err != nil {
			p.t.Fatalf("the line %q has no number: %v", line, err)
		}
		sum, found = sum+value, true
	}
	return sum, found
}

// metricsCases are metrics with their least values after playForMetrics.
var metricsCases = []struct {
	name   string
	labels []string
	least  float64
}{
	{
		"http_server_request_duration_seconds_count",
		[]string{`method="POST"`, `route="/v1/payments"`, `code="201"`},
		1,
	},
	{
		"http_server_request_duration_seconds_count",
		[]string{`method="POST"`, `route="/webhooks/stripe"`, `code="200"`},
		3,
	},
	{"kasse_webhook_events_total", []string{`type="payment_intent.succeeded"`, `outcome="applied"`}, 1},
	{"kasse_webhook_events_total", []string{`type="payment_intent.payment_failed"`, `outcome="applied"`}, 1},
	{"kasse_webhook_events_total", []string{`outcome="bad_signature"`}, 1},
	{"kasse_webhook_events_total", []string{`outcome="quarantined"`}, 1},
	{"kasse_webhook_events_total", []string{`outcome="unchanged"`}, 1},
	{"kasse_webhook_lag_seconds_count", nil, 3},
	{"kasse_webhook_quarantined", nil, 1},
	{"kasse_transitions_total", []string{`from="none"`, `to="pending"`}, 1},
	{"kasse_transitions_total", []string{`to="failed"`}, 1},
	{"kasse_transitions_total", []string{`to="paid"`}, 1},
	{"kasse_stripe_request_duration_seconds_count", []string{`op="POST /v1/payment_intents"`, `code="200"`}, 1},
	{"kasse_stripe_request_duration_seconds_count", []string{`op="POST /v1/customer_sessions"`, `code="200"`}, 1},
	{"kasse_stripe_reads_budget", nil, 1},
	{"kasse_redis_command_duration_seconds_count", nil, 10},
	{"kasse_redis_up", nil, 1},
	{"kasse_redis_pool_connections", nil, 1},
	{"kasse_redis_memory_used_bytes", nil, 1},
	{"kasse_reconcile_reads_due", nil, 0},
	{"kasse_reconcile_sweep_backlog", nil, 0},
	{"kasse_reconcile_restore_queue", nil, 0},
	{"kasse_reconcile_caught_up_age_seconds", nil, 0},
	{"kasse_waiters", nil, 0},
	{"build_info", []string{`version="`}, 1},
}

// TestMetrics: the admin port exports every documented metric, without ids. The public port exports
// none.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(backend.Close)
	p := w.serve(1, map[string]string{
		"EVENT_ALLOW_PRIVATE": "true", "EVENT_ENDPOINTS": backend.URL + "=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	})[0]
	w.playForMetrics(p)
	for _, want := range metricsCases {
		if value, found := p.metric(want.name, want.labels...); !found || value < want.least {
			t.Errorf("%s%v is %v (found: %t), want at least %v", want.name, want.labels, value, found, want.least)
		}
	}
	if id := regexp.MustCompile(`\b(pi|evt|cus|re|dp|ch)_[A-Za-z0-9]{6,}`).FindString(p.scrape()); id != "" {
		t.Errorf("the metrics contain the id %s", id)
	}
	public := p.must(http.StatusNotFound, backendKey, http.MethodGet, "/metrics", "").status
	expect(t, "/metrics on the public port", public, http.StatusNotFound)
	scraped := p.scrape()
	w.redis.Kill()
	if value, found := p.metric("kasse_redis_up"); !found || value != 0 {
		t.Errorf("kasse_redis_up without Redis is %v (found: %t), want 0", value, found)
	}
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\|")
	for _, metric := range row.FindAllStringSubmatch(documented(t), -1) {
		if line := "# TYPE " + metric[1] + " " + metric[2] + "\n"; !strings.Contains(scraped+p.scrape(), line) {
			t.Errorf("the server does not export the %s %s of docs/metrics.md", metric[2], metric[1])
		}
	}
	w.redis.Restart()
}

// playForMetrics causes what metricsCases count: a decline and a payment, valid and invalid
// deliveries, a catch-up and a push.
func (w *processEnv) playForMetrics(p *process) {
	w.t.Helper()
	v := w.createWithRetries(p, "measured", w.customer())
	w.pay(v, "pm_card_visa_chargeDeclined")
	p.awaitState(v, "failed")
	w.pay(v, "pm_card_visa")
	p.awaitState(v, "paid")
	w.noError(w.sim.Drain(w.t.Context()))
	event := w.delivered("payment_intent.succeeded")
	for _, delivery := range []struct {
		body, secret string
		status       int
	}{
		{event, unknownHookSecret, http.StatusBadRequest},
		{event, hookSecret, http.StatusOK},
		{event[:len(event)/2], hookSecret, http.StatusOK},
	} {
		a, err := p.deliver(delivery.body, delivery.secret)
		w.noError(err)
		expect(w.t, "status of a delivery", a.status, delivery.status)
	}
	wait.UntilTrue(w.t, "a catch-up", func() bool {
		value, _ := p.metric("kasse_reconcile_last_success_timestamp_seconds", `source="catch-up"`)
		return value > 0
	})
	wait.UntilTrue(w.t, "a push", func() bool {
		value, _ := p.metric("kasse_push_attempts_total", `outcome="delivered"`)
		return value > 0
	})
}

// delivered returns the last event of the type that Stripe has sent to the balancer; "" if there is
// none.
func (w *processEnv) delivered(kind string) (body string) {
	for _, delivery := range w.balancer.deliveries() {
		if strings.Contains(delivery, `"type": "`+kind+`"`) {
			body = delivery
		}
	}
	return body
}

// documented returns docs/metrics.md.
func documented(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil || strings.Count(string(page), "\n| `") < 30 {
		t.Fatalf("docs/metrics.md has fewer than 30 rows of metrics (%v): %s", err, page)
	}
	return string(page)
}

// TestMetricsOfWaitingWork: the metrics show held polls and undelivered events.
func TestMetricsOfWaitingWork(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{
		"EVENT_ALLOW_PRIVATE": "true",
		"EVENT_ENDPOINTS":     "http://127.0.0.1:1/refused=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	})[0]
	before, _ := p.metric("kasse_waiters")
	v := w.createWithRetries(p, "waits", w.customer())
	poll := p.poll(v)
	wait.UntilTrue(t, "the poll in kasse_waiters", func() bool {
		now, _ := p.metric("kasse_waiters")
		return now > before
	})
	w.pay(v, "pm_card_visa")
	expect(t, "status of the poll", (<-poll).status, http.StatusOK)
	wait.Until(t, "a failed push", func() error {
		failed, _ := p.metric("kasse_push_attempts_total", `outcome="failed"`)
		depth, _ := p.metric("kasse_push_depth", `state="retries"`)
		age, _ := p.metric("kasse_push_age_seconds", `endpoint="http://127.0.0.1:1"`)
		if failed == 0 || depth == 0 || age <= 0 {
			return fmt.Errorf("failed %v, retries %v, age %v", failed, depth, age)
		}
		return nil
	})
}

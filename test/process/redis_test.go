package process_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

func TestRedisAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.redis.Kill()
	p := w.start(nil)
	expect(t, "/livez without Redis", p.probe("/livez"), http.StatusOK)
	expect(t, "/readyz without Redis", p.probe("/readyz"), http.StatusServiceUnavailable)
	p.mustBeUnavailable(p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody("early", "cus_1")))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 0)
	w.redis.Restart()
	p.awaitReady()
	w.createPatiently(p, "early", w.customer())
}

// mustBeUnavailable fails the test unless every caller gets 503 with Retry-After while Redis is away.
func (p *process) mustBeUnavailable(a answer, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	v := a.view(p.t)
	if a.status != http.StatusServiceUnavailable || v.Code != "store_unavailable" || !v.Retryable {
		p.t.Errorf("answered %d %s", a.status, a.body)
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		p.t.Errorf("Retry-After is %q", a.header.Get("Retry-After"))
	}
}

// Redis dies while two processes work, and comes back with its data: nothing is lost, and no process needs a restart.
func TestRedisDiesAndComesBack(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{}, "--appendonly", "yes", "--appendfsync", "always")
	all := w.serve(2, nil)
	customer := w.customer()
	v := w.createPatiently(all[0], "survivor", customer)
	w.redis.Kill()

	paid := w.pay(v, "pm_card_visa") // Stripe delivers in vain, and tries again
	expect(t, "Stripe's status", paid.Status, "succeeded")
	event := w.balancer.deliveries()[0]
	for _, delivered := range w.balancer.deliveries() {
		if strings.Contains(delivered, v.PaymentIntent) && strings.Contains(delivered, `"payment_intent.created"`) {
			event = delivered
		}
	}
	all[0].mustBeUnavailable(all[0].ask(backendKey, http.MethodPost, "/v1/payments", orderBody("other", customer)))
	all[0].mustBeUnavailable(all[0].deliver(event, hookSecret))
	all[1].mustBeUnavailable(all[1].ask(v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, ""))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 1)
	expect(t, "/livez", all[0].probe("/livez"), http.StatusOK)
	expect(t, "/readyz, since it was ready once", all[0].probe("/readyz"), http.StatusOK)

	w.redis.Restart()
	for _, p := range all {
		p.awaitState(v, "paid")
	}
	w.createPatiently(all[1], "other", customer)
	for _, p := range all { // of its outage there are two lines, however many workers waited
		wait.Until(t, "the line that Redis is back", func() error {
			return yet(strings.Contains(p.stderr.String(), `"msg":"background tasks: Redis answers again`))
		})
		said := p.stderr.String()
		expect(t, "lines that Redis is away", strings.Count(said, "background tasks: Redis does not answer"), 1)
		expect(t, "warnings of workers",
			strings.Count(said, `"level":"WARN","msg":"reads: could not claim due reads, retrying"`), 0)
	}
}

// wipe empties Redis under the processes.
func (w *processEnv) wipe() {
	w.t.Helper()
	if err := w.openRedis().FlushAll(w.t.Context()).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// refuses starts a process that must end by itself, with exit code 1 and a message that has these words.
func (w *processEnv) refuses(changes map[string]string, words ...string) {
	w.t.Helper()
	p := w.command(changes, "serve")
	expect(w.t, "exit code", p.command.ProcessState.ExitCode(), 1)
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	for _, word := range words {
		if last := lines[len(lines)-1]; !strings.Contains(last, word) {
			w.t.Errorf("the message has no %q: %s", word, last)
		}
	}
}

// A Redis that was wiped must not sell orders again that were paid: neither under a process that runs, nor at a start,
// until an operator decides to forget them.
func TestWipedRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	w.createPatiently(p, "before", customer)
	w.wipe()
	p.mustBeUnavailable(p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody("before", customer)))
	p.mustBeUnavailable(p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody("after", customer)))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 1)
	expect(t, "what is in Redis", len(w.openRedis().Keys(t.Context(), "*order*").Val()), 0)
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)

	w.refuses(nil, "not initialised", "kasse rebuild", "kasse init")
	w.no(
		w.sim.AddFault(stripesim.Fault{Endpoint: "GET /v1/payment_intents/search", Kind: stripesim.Dropped, Times: -1}),
	)
	w.refuses(map[string]string{"SERVICE_NAME": "another"}, "did not answer", "kasse rebuild", "kasse init")
	w.sim.ClearFaults()

	said := []string{"now initialised", "initialised before"}
	for _, words := range said {
		first := w.command(nil, "init")
		expect(t, "exit code of init", first.command.ProcessState.ExitCode(), 0)
		if !strings.Contains(first.stdout.String(), words) {
			t.Errorf("init said %q", first.stdout.String())
		}
	}
	w.createPatiently(w.serve(1, nil)[0], "after", customer)
}

// Redis is wiped under a process that runs: until it is rebuilt no read answers that a payment is unknown, and the
// load balancer sends the process nothing.
func TestReadsOfAWipedRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	v := w.createPatiently(p, "kept", w.customer())
	w.pay(v, "pm_card_visa")
	p.awaitState(v, "paid")
	one := "/v1/payments/" + v.PaymentIntent
	reads := []struct{ credential, path string }{
		{v.ClientSecret, one},
		{backendKey, one},
		{backendKey, one + "/history"},
		{backendKey, one + "/refunds"},
		{backendKey, "/v1/orders/kept"},
		{backendKey, "/v1/events"},
	}
	w.wipe()
	asked := w.sim.Count("GET /v1/payment_intents/{intent}")
	for _, read := range reads {
		wait.Until(t, read.path, func() error { // a kept view ends when Redis reports the loss
			a, err := p.ask(read.credential, http.MethodGet, read.path, "")
			if err == nil && a.status == http.StatusNotFound {
				t.Fatalf("%s: %d %s", read.path, a.status, a.body)
			}
			return yet(err == nil && a.status != http.StatusOK)
		})
		p.mustBeUnavailable(p.ask(read.credential, http.MethodGet, read.path, ""))
	}
	expect(t, "reads at Stripe", w.sim.Count("GET /v1/payment_intents/{intent}"), asked)
	p.mustBeReady(http.StatusServiceUnavailable, `{"status":"unavailable","dependencies":{"redis":"unmarked"}}`)
	w.runs("rebuild")
	p.mustBeReady(http.StatusOK, `{"status":"ready","dependencies":{"redis":"ok"}}`)
	for _, read := range reads {
		p.must(http.StatusOK, read.credential, http.MethodGet, read.path, "")
	}
	for _, text := range []string{"its data was lost: run kasse rebuild", "readiness: Redis can be used again"} {
		p.logsOnce(text)
	}
}

// logsOnce waits for a text in the process's log, which must not hold it twice.
func (p *process) logsOnce(text string) {
	p.t.Helper()
	wait.Until(p.t, "the log line "+text, func() error { return yet(strings.Contains(p.stderr.String(), text)) })
	expect(p.t, "lines of the log with "+text, strings.Count(p.stderr.String(), text), 1)
}

// mustBeReady asks /readyz.
func (p *process) mustBeReady(status int, body string) {
	p.t.Helper()
	a, err := call(p.t.Context(), p.client, http.MethodGet, p.admin+"/readyz", nil, "")
	if err != nil || a.status != status || strings.TrimSpace(string(a.body)) != body {
		p.t.Errorf("/readyz: %d %s %v, want %d %s", a.status, a.body, err, status, body)
	}
}

// A Redis that is a replica accepts no writes: the server waits for a master and logs it, and kasse check
// reports it.
func TestRedisIsAReplica(t *testing.T) {
	t.Parallel()
	_, replica := storetest.NewReplicated(t)
	w := newEnvOn(t, replica, stripesim.Options{})
	const says = `{"status":"%s","dependencies":{"redis":"replica"}}`
	p := w.start(nil)
	p.mustBeReady(http.StatusServiceUnavailable, fmt.Sprintf(says, "starting"))
	code, found := w.checked(nil)
	expect(t, "exit code of check", code, 1)
	lines(t, found, "wrong    redis: replica … is a replica and accepts no writes: point REDIS_URL at the master")
	redis := w.openRedis()
	follow := func(host, port string) {
		if err := redis.ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	follow("NO", "ONE")
	p.awaitReady()
	p.mustBeReady(http.StatusOK, `{"status":"ready","dependencies":{"redis":"ok"}}`)
	follow("127.0.0.1", "1")
	p.mustBeReady(http.StatusServiceUnavailable, fmt.Sprintf(says, "unavailable"))
	p.logsOnce("Redis cannot be used")
}

// TestAnotherIdentity: a Redis of another service is not changed.
func TestAnotherIdentity(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Seed: 1})
	p := w.serve(1, nil)[0]
	redis := w.openRedis()
	wait.Until(t, "the account in Redis", func() error {
		return yet(redis.HGet(t.Context(), "kasse:{p0}:meta", "account").Val() != "")
	})
	for _, mistaken := range []struct {
		changes map[string]string
		words   []string
	}{
		{map[string]string{"REDIS_PARTITIONS": "8"}, []string{"partitions", "8", "4"}},
		{map[string]string{"SERVICE_NAME": "another"}, []string{"service", "another", "kasse"}},
		{map[string]string{
			"STRIPE_SECRET_KEY": "sk_live_processtest", "STRIPE_PUBLISHABLE_KEY": "pk_live_processtest",
			"STRIPE_API_BASE": "",
		}, []string{"test payments", "live keys"}}, // Redis refuses first, so Stripe is not asked
		{map[string]string{"STRIPE_API_BASE": newEnv(t, stripesim.Options{Seed: 2}).stripe}, []string{"account"}},
	} {
		w.refuses(mistaken.changes, mistaken.words...)
		if init := w.command(mistaken.changes, "init"); mistaken.words[0] != "account" {
			expect(t, "exit code of init", init.command.ProcessState.ExitCode(), 1)
		}
	}
	w.createPatiently(p, "still-ours", w.customer())
}

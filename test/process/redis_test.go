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

// TestStartWithoutRedis: a server that starts before its Redis is alive but not ready, and refuses
// creates. It works when Redis starts.
func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.redis.Kill()
	p := w.start(nil)
	expect(t, "/livez without Redis", p.probe("/livez"), http.StatusOK)
	expect(t, "/readyz without Redis", p.probe("/readyz"), http.StatusServiceUnavailable)
	p.mustBeUnavailable(p.request(backendKey, http.MethodPost, "/v1/payments", orderBody("early", "cus_1")))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 0)
	w.redis.Restart()
	p.awaitReady()
	w.createWithRetries(p, "early", w.customer())
}

// mustBeUnavailable fails the test unless the response is that of a service without its Redis: 503
// with the code store_unavailable and Retry-After.
func (p *process) mustBeUnavailable(a answer, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	v := a.view(p.t)
	if a.status != http.StatusServiceUnavailable || v.Code != "store_unavailable" || !v.Retryable {
		p.t.Errorf("got %d %s, want a retryable 503 with store_unavailable", a.status, a.body)
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		p.t.Errorf("Retry-After is %q, want at least 1 second", a.header.Get("Retry-After"))
	}
}

// TestRedisRestarts: Redis is killed under two processes, and restarts with its data. Nothing is
// lost, and no process needs a restart.
func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{}, "--appendonly", "yes", "--appendfsync", "always")
	all := w.serve(2, nil)
	customer := w.customer()
	v := w.createWithRetries(all[0], "survivor", customer)
	w.redis.Kill()

	paid := w.pay(v, "pm_card_visa") // Stripe's deliveries fail, and Stripe repeats them
	expect(t, "Stripe's status", paid.Status, "succeeded")
	deliveries := w.balancer.deliveries()
	event := deliveries[0]
	for _, delivered := range deliveries {
		if strings.Contains(delivered, v.PaymentIntent) && strings.Contains(delivered, `"payment_intent.created"`) {
			event = delivered
		}
	}
	all[0].mustBeUnavailable(all[0].request(backendKey, http.MethodPost, "/v1/payments", orderBody("other", customer)))
	all[0].mustBeUnavailable(all[0].deliver(event, hookSecret))
	all[1].mustBeUnavailable(all[1].request(v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, ""))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 1)
	expect(t, "/livez", all[0].probe("/livez"), http.StatusOK)
	expect(t, "/readyz of a process that was ready before", all[0].probe("/readyz"), http.StatusOK)

	w.redis.Restart()
	for _, p := range all {
		p.awaitState(v, "paid")
	}
	w.createWithRetries(all[1], "other", customer)
	for _, p := range all { // the log has two lines about the outage, however many workers waited
		wait.UntilTrue(t, "the log line that Redis answers again", func() bool {
			return strings.Contains(p.stderr.String(), `"msg":"background tasks: Redis answers again`)
		})
		log := p.stderr.String()
		expect(
			t, "number of log lines that Redis does not answer",
			strings.Count(log, "background tasks: Redis does not answer"), 1,
		)
		expect(
			t, "number of warnings of single workers",
			strings.Count(log, `"level":"WARN","msg":"reads: could not claim due reads, retrying"`), 0,
		)
	}
}

// wipe deletes all data of Redis while the processes run.
func (w *processEnv) wipe() {
	w.t.Helper()
	if err := w.openRedis().FlushAll(w.t.Context()).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// mustRefuse starts a process that must end by itself, with exit code 1 and a last message that
// contains these words.
func (w *processEnv) mustRefuse(changes map[string]string, words ...string) {
	w.t.Helper()
	p := w.command(changes, "serve")
	expect(w.t, "exit code", p.command.ProcessState.ExitCode(), 1)
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	for _, word := range words {
		if last := lines[len(lines)-1]; !strings.Contains(last, word) {
			w.t.Errorf("the last message does not contain %q: %s", word, last)
		}
	}
}

// TestWipedRedis: after Redis was wiped, Kasse must not open payments for orders that may be paid
// already. A running process refuses creates, and a new process does not start, until an operator
// runs kasse init.
func TestWipedRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	w.createWithRetries(p, "before", customer)
	w.wipe()
	p.mustBeUnavailable(p.request(backendKey, http.MethodPost, "/v1/payments", orderBody("before", customer)))
	p.mustBeUnavailable(p.request(backendKey, http.MethodPost, "/v1/payments", orderBody("after", customer)))
	expect(t, "creates at Stripe", w.sim.Count(createRoute), 1)
	expect(t, "number of orders in Redis", len(w.openRedis().Keys(t.Context(), "*order*").Val()), 0)
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)

	w.mustRefuse(nil, "not initialised", "kasse rebuild", "kasse init")
	unreachable := stripesim.Fault{Endpoint: "GET /v1/payment_intents/search", Kind: stripesim.Dropped, Times: -1}
	w.noError(w.sim.AddFault(unreachable))
	w.mustRefuse(map[string]string{"SERVICE_NAME": "another"}, "did not answer", "kasse rebuild", "kasse init")
	w.sim.ClearFaults()

	for _, words := range []string{"now initialised", "initialised before"} {
		init := w.command(nil, "init")
		expect(t, "exit code of init", init.command.ProcessState.ExitCode(), 0)
		expectContains(t, init.stdout.String(), words)
	}
	w.createWithRetries(w.serve(1, nil)[0], "after", customer)
}

// TestReadsOfAWipedRedis: Redis is wiped while a process runs. Until a rebuild no read answers that
// a payment is unknown, and /readyz keeps the load balancer's requests away.
func TestReadsOfAWipedRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	v := w.createWithRetries(p, "kept", w.customer())
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
	before := w.sim.Count(readRoute)
	for _, read := range reads {
		// Redis reports the loss, and the process then drops its cached views.
		wait.UntilTrue(t, "a refusal of "+read.path, func() bool {
			a, err := p.request(read.credential, http.MethodGet, read.path, "")
			if err == nil && a.status == http.StatusNotFound {
				t.Fatalf("%s after the wipe: got %d %s, want 503", read.path, a.status, a.body)
			}
			return err == nil && a.status != http.StatusOK
		})
		p.mustBeUnavailable(p.request(read.credential, http.MethodGet, read.path, ""))
	}
	expect(t, "number of reads at Stripe", w.sim.Count(readRoute), before)
	p.mustBeReady(http.StatusServiceUnavailable, `{"status":"unavailable","dependencies":{"redis":"unmarked"}}`)
	w.runExclusive("rebuild")
	p.mustBeReady(http.StatusOK, `{"status":"ready","dependencies":{"redis":"ok"}}`)
	for _, read := range reads {
		p.must(http.StatusOK, read.credential, http.MethodGet, read.path, "")
	}
	for _, text := range []string{"its data was lost: run kasse rebuild", "readiness: Redis can be used again"} {
		p.logsOnce(text)
	}
}

// logsOnce waits until the process's log contains the text, and fails the test if it contains it
// twice.
func (p *process) logsOnce(text string) {
	p.t.Helper()
	wait.UntilTrue(p.t, "the log line "+text, func() bool { return strings.Contains(p.stderr.String(), text) })
	expect(p.t, "number of log lines with "+text, strings.Count(p.stderr.String(), text), 1)
}

// mustBeReady fails the test unless /readyz answers with this status and body.
func (p *process) mustBeReady(status int, body string) {
	p.t.Helper()
	a, err := call(p.t.Context(), p.client, http.MethodGet, p.admin+"/readyz", nil, "")
	if err != nil || a.status != status || strings.TrimSpace(string(a.body)) != body {
		p.t.Errorf("/readyz: got %d %s (%v), want %d %s", a.status, a.body, err, status, body)
	}
}

// TestRedisIsAReplica: a Redis that is a replica accepts no writes. The server waits for a master
// and logs it, and kasse check reports it.
func TestRedisIsAReplica(t *testing.T) {
	t.Parallel()
	_, replica := storetest.NewReplicated(t)
	w := newEnvOn(t, replica, stripesim.Options{})
	const body = `{"status":"%s","dependencies":{"redis":"replica"}}`
	p := w.start(nil)
	p.mustBeReady(http.StatusServiceUnavailable, fmt.Sprintf(body, "starting"))
	code, found := w.checked(nil)
	expect(t, "exit code of check", code, 1)
	expectLines(t, found, "wrong    redis: replica … is a replica and accepts no writes: point REDIS_URL at the master")
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
	p.mustBeReady(http.StatusServiceUnavailable, fmt.Sprintf(body, "unavailable"))
	p.logsOnce("Redis cannot be used")
}

// TestRedisOfAnotherService: a server refuses a Redis of another service, and changes nothing in
// it.
func TestRedisOfAnotherService(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Seed: 1})
	p := w.serve(1, nil)[0]
	redis := w.openRedis()
	wait.UntilTrue(t, "the account in Redis", func() bool {
		return redis.HGet(t.Context(), "kasse:{p0}:meta", "account").Val() != ""
	})
	for _, test := range []struct {
		changes map[string]string
		words   []string
	}{
		{map[string]string{"REDIS_PARTITIONS": "8"}, []string{"partitions", "8", "4"}},
		{map[string]string{"SERVICE_NAME": "another"}, []string{"service", "another", "kasse"}},
		{map[string]string{
			"STRIPE_SECRET_KEY": "sk_live_processtest", "STRIPE_PUBLISHABLE_KEY": "pk_live_processtest",
			"STRIPE_API_BASE": "",
		}, []string{"test payments", "live keys"}}, // the check of Redis fails before any call to Stripe
		{map[string]string{"STRIPE_API_BASE": newEnv(t, stripesim.Options{Seed: 2}).stripe}, []string{"account"}},
	} {
		w.mustRefuse(test.changes, test.words...)
		if init := w.command(test.changes, "init"); test.words[0] != "account" {
			expect(t, "exit code of init", init.command.ProcessState.ExitCode(), 1)
		}
	}
	w.createWithRetries(p, "unchanged", w.customer())
}

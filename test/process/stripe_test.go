package process_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// stripeBound is far more than a response may take with the STRIPE_TIMEOUT of these tests, and far less than
// Stripe's maximum of 80 s.
const stripeBound = 40 * time.Second

// misbehaviours are Stripe's faults, with the contract's codes that a caller may then get. SDKs repeat some
// calls, so some faults are never noticed.
var misbehaviours = []stripesim.Fault{
	{Kind: stripesim.RateLimited},
	{Kind: stripesim.LockTimeout},
	{Kind: stripesim.ServerError},
	{Kind: stripesim.ServerError, After: true},
	{Kind: stripesim.Timeout},
	{Kind: stripesim.Timeout, After: true},
	{Kind: stripesim.Dropped},
	{Kind: stripesim.Dropped, After: true},
	{Kind: stripesim.Endless},
	{Kind: stripesim.Truncated},
	{Kind: stripesim.Slow, Delay: time.Minute},
}

var visibleCodes = []string{
	"stripe_error", "stripe_unavailable", "stripe_rate_limited", "stripe_timeout", "idempotency_in_progress",
}

// TestStripeMisbehaves: with any fault of Stripe, every call that needs Stripe is answered in time with a
// code of the contract. Webhooks and polls are unaffected. When the faults end, every order recovers.
func TestStripeMisbehaves(t *testing.T) {
	for _, fault := range misbehaviours {
		name := fmt.Sprintf("%s-%v", fault.Kind, fault.After)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t, stripesim.Options{})
			stricken{w, w.serve(1, map[string]string{"STRIPE_TIMEOUT": "4s"})[0], name}.suffer(fault)
		})
	}
}

// stricken is a shop whose Stripe is ill.
type stricken struct {
	*processEnv
	p    *process
	name string
}

// need is one request that needs Stripe.
type need struct{ method, path, body string }

func (s stricken) suffer(fault stripesim.Fault) {
	customer := s.customer()
	open := s.p.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody(s.name+"-open", customer),
	).view(s.t)
	paid := s.p.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody(s.name+"-paid", customer),
	).view(s.t)
	s.pay(paid, "pm_card_visa")
	s.p.awaitState(paid, "paid")
	needs := []need{
		{http.MethodPost, "/v1/payments", orderBody(s.name+"-new", customer)},
		{http.MethodPost, "/v1/payments", orderBody(s.name+"-open", customer)},
		{http.MethodPost, "/v1/payments/" + open.PaymentIntent + "/customer-session", ""},
		{http.MethodPost, "/v1/payments/" + open.PaymentIntent + "/cancel", ""},
		{http.MethodPost, "/v1/payments/" + paid.PaymentIntent + "/refunds", `{"amount":100}`},
		{http.MethodGet, "/v1/payments/pi_unknown" + strconv.Itoa(len(s.name)), ""},
	}
	fault.Times = -1
	s.no(s.sim.AddFault(fault))
	var asked sync.WaitGroup
	for _, n := range needs {
		asked.Go(func() { s.checkError(n) })
	}
	s.unaffected(paid)
	asked.Wait()
	s.sim.ClearFaults()
	for _, n := range needs[:5] {
		s.repeatUntilDone(n)
	}
	s.onePayable()
}

func (s stricken) ask(n need) (answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), stripeBound)
	defer cancel()
	header := map[string]string{"Authorization": "Bearer " + backendKey, "Idempotency-Key": s.name}
	if n.body != "" {
		header["Content-Type"] = "application/json"
	}
	return call(ctx, s.client, n.method, s.p.public+n.path, header, n.body)
}

func (s stricken) checkError(n need) {
	s.t.Helper()
	a, err := s.ask(n)
	if err != nil {
		s.t.Errorf("%s %s: %v", n.method, n.path, err)
		return
	}
	// A conflict is between these requests themselves.
	if code := a.view(s.t).Code; a.status >= 300 && a.status != http.StatusConflict &&
		!slices.Contains(visibleCodes, code) {
		s.t.Errorf("%s %s: %d %s", n.method, n.path, a.status, a.body)
	}
}

// unaffected posts an event, and polls.
func (s stricken) unaffected(v view) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"id": "evt_" + strconv.Itoa(
			len(s.name),
		), "type": "payment_intent.succeeded", "created": time.Now().Unix(), "livemode": false,
		"data": map[string]any{"object": map[string]any{
			"object": "payment_intent", "id": v.PaymentIntent, "status": "succeeded", "amount": 4200,
			"amount_received": 4200, "currency": "eur",
		}},
	})
	s.no(err)
	if a, err := s.p.deliver(string(body), hookSecret); err != nil || a.status != http.StatusOK {
		s.t.Errorf("a webhook: %v %d %s", err, a.status, a.body)
	}
	s.p.must(http.StatusOK, v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
}

// repeatUntilDone repeats the request until Stripe's fault has no more effect. A failure that Stripe has stored for a
// refund's key counts as that: the caller uses another key.
func (s stricken) repeatUntilDone(n need) {
	s.t.Helper()
	wait.Until(s.t, n.method+" "+n.path+" to have its effect", func() error {
		a, err := s.ask(n)
		if err != nil {
			return err
		}
		if code := a.view(s.t).Code; slices.Contains(visibleCodes, code) && !s.remembered(n, code) {
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
}

var remembers = regexp.MustCompile(`^server_error`)

func (s stricken) remembered(n need, code string) bool {
	return remembers.MatchString(s.name) && code == "stripe_error" && n.body == `{"amount":100}` ||
		// An attempt whose key has a stored failure is searched for a minute.
		remembers.MatchString(s.name) && code == "stripe_unavailable" && n.path == "/v1/payments"
}

func (s stricken) onePayable() {
	s.t.Helper()
	for order, all := range s.intents() {
		payable := slices.DeleteFunc(
			slices.Clone(all), func(pi intent) bool { return pi.Status == "canceled" || pi.Status == "succeeded" },
		)
		if len(payable) > 1 {
			s.t.Errorf("%s has %+v", order, payable)
		}
	}
}

// TestMemoryIsFlatWhileStripeMisbehaves: bodies that never end are read to a bound, and nothing of them stays.
func TestMemoryIsFlatWhileStripeMisbehaves(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"STRIPE_TIMEOUT": "1s"})[0]
	w.no(w.sim.AddFault(stripesim.Fault{Kind: stripesim.Endless, Times: -1}))
	ask := func(from int) {
		done := make(chan error, 8)
		for n := range cap(done) {
			go func() {
				_, err := p.ask(backendKey, http.MethodGet, fmt.Sprintf("/v1/payments/pi_%d", from+n), "")
				done <- err
			}()
		}
		for range cap(done) {
			w.no(<-done)
		}
	}
	ask(0)
	before := p.resident()
	for round := range 6 {
		ask(8 * (round + 1))
	}
	const slack = 512 << 20 // of the garbage collector, and of the race detector; unbounded it would be gigabytes
	if after := p.resident(); after > before+slack {
		t.Errorf("%d bytes before, %d after", before, after)
	}
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is the process's memory, in bytes.
func (p *process) resident() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	found := resident.FindSubmatch(text)
	if err != nil || found == nil {
		p.t.Skip("no /proc here")
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10
}

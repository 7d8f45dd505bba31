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
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// stripeBound is the longest time that a response may take. It is far more than the STRIPE_TIMEOUT
// of these tests, and far less than the 80 s that a call to Stripe takes at most.
const stripeBound = 40 * time.Second

// stripeFaults are the faults of Stripe that TestStripeFaults injects, one at a time.
var stripeFaults = []stripesim.Fault{
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

// visibleCodes are the contract's codes that a caller may get during a fault. The SDK repeats some
// calls, so some faults are invisible.
var visibleCodes = []string{
	"stripe_error", "stripe_unavailable", "stripe_rate_limited", "stripe_timeout", "idempotency_in_progress",
}

// TestStripeFaults: with any fault of Stripe, every request that needs Stripe is answered in time
// with a code of the contract. The fault affects neither webhooks nor polls. When it ends, every
// order recovers.
func TestStripeFaults(t *testing.T) {
	for _, fault := range stripeFaults {
		name := fmt.Sprintf("%s-%v", fault.Kind, fault.After)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEnv(t, stripesim.Options{})
			p := w.serve(1, map[string]string{"STRIPE_TIMEOUT": "4s"})[0]
			faultTest{processEnv: w, p: p, name: name}.play(fault)
		})
	}
}

// faultTest is one environment of TestStripeFaults.
type faultTest struct {
	*processEnv
	p    *process
	name string // of the fault; it begins the order ids
}

// stripeRequest is one request to Kasse that needs a call to Stripe.
type stripeRequest struct{ method, path, body string }

// play sends every kind of request during the fault, and repeats the changes after it.
func (s faultTest) play(fault stripesim.Fault) {
	customer := s.customer()
	create := func(order string) view {
		body := orderBody(s.name+order, customer)
		return s.p.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(s.t)
	}
	open, paid := create("-open"), create("-paid")
	s.pay(paid, "pm_card_visa")
	s.p.awaitState(paid, "paid")
	requests := []stripeRequest{
		{http.MethodPost, "/v1/payments", orderBody(s.name+"-new", customer)},
		{http.MethodPost, "/v1/payments", orderBody(s.name+"-open", customer)},
		{http.MethodPost, "/v1/payments/" + open.PaymentIntent + "/customer-session", ""},
		{http.MethodPost, "/v1/payments/" + open.PaymentIntent + "/cancel", ""},
		{http.MethodPost, "/v1/payments/" + paid.PaymentIntent + "/refunds", `{"amount":100}`},
		{http.MethodGet, "/v1/payments/pi_unknown" + strconv.Itoa(len(s.name)), ""},
	}
	fault.Times = -1
	s.noError(s.sim.AddFault(fault))
	var running sync.WaitGroup
	for _, r := range requests {
		running.Go(func() { s.checkError(r) })
	}
	s.checkUnaffected(paid)
	running.Wait()
	s.sim.ClearFaults()
	for _, r := range requests[:5] {
		s.repeatUntilDone(r)
	}
	s.checkOnePayable()
}

// send sends a request, with the deadline stripeBound.
func (s faultTest) send(r stripeRequest) (answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), stripeBound)
	defer cancel()
	header := map[string]string{"Authorization": "Bearer " + backendKey, "Idempotency-Key": s.name}
	if r.body != "" {
		header["Content-Type"] = "application/json"
	}
	return call(ctx, s.client, r.method, s.p.public+r.path, header, r.body)
}

// checkError sends a request, and checks that an error has one of visibleCodes.
func (s faultTest) checkError(r stripeRequest) {
	s.t.Helper()
	a, err := s.send(r)
	if err != nil {
		s.t.Errorf("%s %s: no response within %s: %v", r.method, r.path, stripeBound, err)
		return
	}
	// 409 comes from a conflict between these requests.
	if code := a.view(s.t).Code; a.status >= 300 && a.status != http.StatusConflict &&
		!slices.Contains(visibleCodes, code) {
		s.t.Errorf("%s %s: got %d %s, want success or one of %v", r.method, r.path, a.status, a.body, visibleCodes)
	}
}

// checkUnaffected checks that a webhook and a poll are answered as usual.
func (s faultTest) checkUnaffected(v view) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{
		"id": "evt_" + strconv.Itoa(len(s.name)), "type": "payment_intent.succeeded",
		"created": time.Now().Unix(), "livemode": false,
		"data": map[string]any{"object": map[string]any{
			"object": "payment_intent", "id": v.PaymentIntent, "status": "succeeded", "amount": 4200,
			"amount_received": 4200, "currency": "eur",
		}},
	})
	s.noError(err)
	if a, err := s.p.deliver(string(body), hookSecret); err != nil || a.status != http.StatusOK {
		s.t.Errorf("a webhook: got %d %s (%v), want 200", a.status, a.body, err)
	}
	s.p.must(http.StatusOK, v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
}

// repeatUntilDone repeats the request until Stripe's fault has no more effect. It also ends at a
// failure that Stripe has stored for an idempotency key: a repeat with this key gets the same
// failure.
func (s faultTest) repeatUntilDone(r stripeRequest) {
	s.t.Helper()
	wait.Until(s.t, "a response to "+r.method+" "+r.path+" without the fault", func() error {
		a, err := s.send(r)
		if err != nil {
			return err
		}
		if code := a.view(s.t).Code; slices.Contains(visibleCodes, code) && !s.isStoredFailure(r, code) {
			return fmt.Errorf("got %d %s", a.status, a.body)
		}
		return nil
	})
}

// isStoredFailure reports whether the code is of a failure that Stripe has stored for the request's
// key. Stripe stores only the faults named server_error.
func (s faultTest) isStoredFailure(r stripeRequest, code string) bool {
	if !strings.HasPrefix(s.name, "server_error") {
		return false
	}
	return code == "stripe_error" && r.body == `{"amount":100}` ||
		// After a stored failure of a create, Kasse searches for the payment for a minute.
		code == "stripe_unavailable" && r.path == "/v1/payments"
}

// checkOnePayable checks that the customer can pay at most one payment of each order.
func (s faultTest) checkOnePayable() {
	s.t.Helper()
	for order, all := range s.intents() {
		payable := slices.DeleteFunc(
			slices.Clone(all), func(pi intent) bool { return pi.Status == "canceled" || pi.Status == "succeeded" },
		)
		if len(payable) > 1 {
			s.t.Errorf("order %s has %d payable payments, want at most 1: %+v", order, len(payable), payable)
		}
	}
}

// TestMemoryIsBoundedDuringStripeFaults: Kasse reads a body that never ends only to a limit, and
// frees it.
func TestMemoryIsBoundedDuringStripeFaults(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"STRIPE_TIMEOUT": "1s"})[0]
	w.noError(w.sim.AddFault(stripesim.Fault{Kind: stripesim.Endless, Times: -1}))
	request := func(from int) {
		done := make(chan error, 8)
		for n := range cap(done) {
			go func() {
				_, err := p.request(backendKey, http.MethodGet, fmt.Sprintf("/v1/payments/pi_%d", from+n), "")
				done <- err
			}()
		}
		for range cap(done) {
			w.noError(<-done)
		}
	}
	request(0)
	before := p.residentMemory()
	for round := range 6 {
		request(8 * (round + 1))
	}
	const slack = 512 << 20 // for the garbage collector and the race detector; unlimited reads would use gigabytes
	if after := p.residentMemory(); after > before+slack {
		t.Errorf("memory grew from %d to %d bytes, want at most %d more", before, after, slack)
	}
}

// resident matches the resident memory in /proc/PID/status.
var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// residentMemory returns the process's resident memory, in bytes.
func (p *process) residentMemory() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	found := resident.FindSubmatch(text)
	if err != nil || found == nil {
		p.t.Skip("no /proc here")
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return kilobytes << 10
}

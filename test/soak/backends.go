package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// follower is a backend that reads the feed from its beginning. One goroutine owns it.
type follower struct {
	cursor string
	seen   map[string]bool // event ids
}

// follow reads until the context ends. It cancels the given share of its requests, 0 to 1.
func (f *follower) follow(ctx context.Context, env *environment, dice *rand.Rand, cancelShare float64) {
	for ctx.Err() == nil {
		timeout := answerWithin
		if dice.Float64() < cancelShare {
			timeout = time.Duration(dice.Int64N(int64(300 * time.Millisecond)))
		}
		requestCtx, cancel := context.WithTimeout(ctx, timeout)
		_, err := f.read(requestCtx, env, 1+dice.IntN(5))
		canceled := requestCtx.Err() != nil
		cancel()
		if err != nil && !canceled {
			env.stats.addProblem("reading the feed failed: %v", err)
			return
		}
	}
}

// read reads one page, waiting up to the given number of seconds for an event.
func (f *follower) read(ctx context.Context, env *environment, wait int) (count int, err error) {
	path := fmt.Sprintf("/v1/events?limit=500&wait=%d&after=%s", wait, url.QueryEscape(f.cursor))
	a, err := env.request(ctx, http.MethodGet, path, testenv.BackendKey, "")
	if err != nil {
		return 0, err
	}
	var page struct {
		Events []struct{ ID string }
		Next   string
	}
	if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
		return 0, fmt.Errorf("it was answered with %d %s", a.Status, a.Body)
	}
	for _, e := range page.Events {
		f.seen[e.ID] = true
	}
	f.cursor = page.Next
	return len(page.Events), nil
}

// receiver is a backend that receives pushes. It refuses some of them once.
type receiver struct {
	mu       sync.Mutex
	dice     *rand.Rand
	refused  map[string]bool
	accepted map[string]bool
}

const refusedOnce = 0.02 // share of the pushes

func (r *receiver) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	_, _ = io.Copy(io.Discard, in.Body)
	id := in.Header.Get("Webhook-Id")
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.refused[id] && !r.accepted[id] && r.dice.Float64() < refusedOnce {
		r.refused[id] = true
		out.WriteHeader(http.StatusInternalServerError)
		return
	}
	r.accepted[id] = true
}

func (r *receiver) events() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.accepted)
}

// sendInvalidRequests sends an attacker's requests at the rate of the orders: a guessed client secret, a forged
// webhook, or a part of a request. Each comes from its own address.
func (env *environment) sendInvalidRequests(ctx context.Context, dice *rand.Rand) {
	for wait.Pause(ctx, time.Duration(dice.Int64N(int64(2*time.Second)/int64(env.rate)))) {
		address := fmt.Sprintf("2001:db8:%x:%x::1", dice.IntN(1<<16), dice.IntN(1<<16))
		var a testenv.Answer
		var err error
		want := http.StatusNotFound
		switch dice.IntN(3) {
		case 0:
			payment := cmp.Or(env.anyPayment(), "pi_guessed")
			a, err = env.request(
				ctx, http.MethodGet, "/v1/payments/"+payment, payment+"_secret_guessed", "", "X-Forwarded-For",
				address,
			)
		case 1:
			want = http.StatusBadRequest
			a, err = env.request(
				ctx, http.MethodPost, "/webhooks/stripe", "", `{}`, "Stripe-Signature", "t=1700000000,v1=00",
				"X-Forwarded-For", address,
			)
		default:
			env.abortRequest(ctx, dice)
			continue
		}
		if err == nil && a.Status != want {
			env.stats.addProblem("an invalid request was answered with %d, want %d", a.Status, want)
		}
	}
}

// anyPayment returns a known payment id, or "" before the first one.
func (env *environment) anyPayment() string {
	env.mu.Lock()
	defer env.mu.Unlock()
	for _, payment := range env.payments {
		return payment
	}
	return ""
}

// abortRequest sends a part of a create, then closes or resets the connection.
func (env *environment) abortRequest(ctx context.Context, dice *rand.Rand) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", env.kasse.Public)
	if err != nil {
		env.stats.record("a connection", 0, err, ctx.Err() != nil)
		return
	}
	// The body is shorter than Content-Length: the rest is never sent.
	request := "POST /v1/payments HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer " + testenv.BackendKey +
		"\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"order_id\":\"half\","
	_, err = io.WriteString(conn, request[:1+dice.IntN(len(request))])
	if tcp, ok := conn.(*net.TCPConn); ok && dice.IntN(2) == 0 {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
	env.stats.record("an aborted request", 0, context.Canceled, true)
	if err != nil && ctx.Err() == nil {
		env.stats.addProblem("the first part of a request could not be sent: %v", err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// courier takes the events that Stripe makes and brings them to Kasse: late, in any order, some twice, signed anew each
// time, and again until they are taken, as Stripe does, only faster.
type courier struct {
	url    string
	client *http.Client
	oracle *oracle
	stop   context.Context // ends every delivery
	all    sync.WaitGroup

	waiting atomic.Int64 // deliveries that were not taken yet
	refused *atomic.Int64

	mu    sync.Mutex
	dice  *rand.Rand
	taken []string // bodies of what was taken
}

const (
	lateness     = 400 * time.Millisecond // of a delivery, at most
	repeatLate   = 1500 * time.Millisecond
	repeated     = 0.3 // of the events
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Second
	postTimeout  = 10 * time.Second
)

// ServeHTTP is the mailbox that the simulator posts its events to. It takes them all.
func (c *courier) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	late, twice := time.Duration(c.dice.Int64N(int64(lateness))), c.dice.Float64() < repeated
	again := time.Duration(c.dice.Int64N(int64(repeatLate)))
	c.mu.Unlock()
	c.send(string(body), late) //nolint:contextcheck // a delivery outlives the request that brought its event
	if twice {
		c.send(string(body), again) //nolint:contextcheck // as above
	}
}

func (c *courier) send(body string, late time.Duration) {
	c.waiting.Add(1)
	c.all.Go(func() {
		defer c.waiting.Add(-1)
		backoff := firstBackoff
		for pause(c.stop, late) && !c.post(body) {
			late = backoff
			backoff = min(2*backoff, maxBackoff)
		}
	})
}

// post delivers once, and reports whether the event was taken.
func (c *courier) post(body string) bool {
	ctx, cancel := context.WithTimeout(c.stop, postTimeout)
	defer cancel()
	header := map[string]string{"Stripe-Signature": sign(hookSecret, time.Now(), body), "Content-Type": "application/json; charset=utf-8"}
	a, err := call(ctx, c.client, http.MethodPost, c.url+"/webhooks/stripe", header, body)
	if a.status/100 != 2 {
		c.refused.Add(1)
		return false
	}
	// A status line of 2xx is an acknowledgement, even where the body was lost on the way: Stripe would not come again.
	var said struct{ Outcome string }
	if err == nil {
		err = json.Unmarshal(a.body, &said)
	}
	if err != nil {
		said.Outcome = "unread"
	}
	c.oracle.delivered(body, said.Outcome)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = append(c.taken, body)
	return true
}

// any picks an event that was taken before; empty where there is none.
func (c *courier) any(pick uint64) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.taken) == 0 {
		return ""
	}
	return c.taken[pick%uint64(len(c.taken))]
}

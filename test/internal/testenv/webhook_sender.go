package testenv

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// WebhookSender delivers Stripe's events to Kasse: late, in any order, and some twice. It signs every
// delivery anew and retries it until Kasse accepts it, as Stripe does, but faster.
type WebhookSender struct {
	URL      string // Kasse's base URL
	Client   *http.Client
	Stop     context.Context            // its end stops every delivery
	Accepted func(body, outcome string) // called for each acknowledged delivery
	Refused  func(status int, err error)

	all     sync.WaitGroup
	waiting atomic.Int64 // deliveries that were not accepted yet

	mu   sync.Mutex
	dice *rand.Rand
}

const (
	lateness     = 400 * time.Millisecond // upper bound
	repeatLate   = 1500 * time.Millisecond
	repeated     = 0.3 // share of the events
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Second

	// PostTimeout limits one delivery.
	PostTimeout = 10 * time.Second
)

// Seed sets the seed of the delays and of the choice of repeated events. Call it first.
func (c *WebhookSender) Seed(seed uint64) *WebhookSender {
	c.dice = rand.New(rand.NewPCG(seed, 0))
	return c
}

// ServeHTTP receives the simulator's events. It accepts all of them.
func (c *WebhookSender) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	late, twice := time.Duration(c.dice.Int64N(int64(lateness))), c.dice.Float64() < repeated
	again := time.Duration(c.dice.Int64N(int64(repeatLate)))
	c.mu.Unlock()
	c.Send(string(body), late) //nolint:contextcheck // a delivery outlives the request that brought its event
	if twice {
		c.Send(string(body), again) //nolint:contextcheck // as above
	}
}

// Send delivers an event after the delay.
func (c *WebhookSender) Send(body string, late time.Duration) {
	c.waiting.Add(1)
	c.all.Go(func() {
		defer c.waiting.Add(-1)
		backoff := firstBackoff
		for wait.Pause(c.Stop, late) && !c.post(body) {
			late = backoff
			backoff = min(2*backoff, maxBackoff)
		}
	})
}

// post delivers once and reports whether Kasse accepted the event.
func (c *WebhookSender) post(body string) bool {
	ctx, cancel := context.WithTimeout(c.Stop, PostTimeout)
	defer cancel()
	header := map[string]string{
		"Stripe-Signature": stripesim.Sign(hookSecret, time.Now(), []byte(body)),
		"Content-Type":     "application/json; charset=utf-8",
	}
	a, err := Call(ctx, c.Client, http.MethodPost, c.URL+"/webhooks/stripe", header, body)
	if a.Status/100 != 2 {
		c.Refused(a.Status, err)
		return false
	}
	// A 2xx status acknowledges the event even if the body was lost: Stripe would not retry.
	var response struct{ Outcome string }
	if err == nil {
		err = json.Unmarshal(a.Body, &response)
	}
	if err != nil {
		response.Outcome = "unread"
	}
	c.Accepted(body, response.Outcome)
	return true
}

// Waiting counts the deliveries that were not accepted yet.
func (c *WebhookSender) Waiting() int64 { return c.waiting.Load() }

// Wait returns when every delivery was accepted or stopped.
func (c *WebhookSender) Wait() { c.all.Wait() }

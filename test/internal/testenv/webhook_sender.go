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

// WebhookSender takes the events that Stripe makes and delivers them to Kasse: late, in any order, some twice, signed
// anew each time, and again until they are taken, as Stripe does, only faster.
type WebhookSender struct {
	URL     string // of Kasse
	Client  *http.Client
	Stop    context.Context            // ends every delivery
	Taken   func(body, outcome string) // called for each delivery that was acknowledged
	Refused func(status int, err error)

	all     sync.WaitGroup
	waiting atomic.Int64 // deliveries that were not taken yet

	mu   sync.Mutex
	dice *rand.Rand
}

const (
	lateness     = 400 * time.Millisecond // of a delivery, at most
	repeatLate   = 1500 * time.Millisecond
	repeated     = 0.3 // of the events
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = time.Second

	// PostTimeout is when a delivery has failed.
	PostTimeout = 10 * time.Second
)

// Roll lets a seed decide how late the deliveries come, and which of them twice. It has to be called first.
func (c *WebhookSender) Roll(seed uint64) *WebhookSender {
	c.dice = rand.New(rand.NewPCG(seed, 0))
	return c
}

// ServeHTTP is the mailbox that the simulator posts its events to. It takes them all.
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

// Send delivers an event once it is so late.
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

// post delivers once, and reports whether the event was taken.
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
	// A status line of 2xx is an acknowledgement, even where the body was lost on the way: Stripe would not come again.
	var said struct{ Outcome string }
	if err == nil {
		err = json.Unmarshal(a.Body, &said)
	}
	if err != nil {
		said.Outcome = "unread"
	}
	c.Taken(body, said.Outcome)
	return true
}

// Waiting counts the deliveries that were not taken yet.
func (c *WebhookSender) Waiting() int64 { return c.waiting.Load() }

// Wait returns when every delivery has been taken, or was stopped.
func (c *WebhookSender) Wait() { c.all.Wait() }

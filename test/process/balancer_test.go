package process_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// balancer receives Stripe's deliveries, and forwards each to the next process in turn.
type balancer struct {
	client *http.Client
	sign   func(body string) string // makes a new signature; nil: deliveries keep Stripe's

	mu       sync.Mutex
	targets  []string // base URLs
	next     int
	received []string // bodies of the deliveries that were not dropped, in their order

	random  *rand.Rand // decides which deliveries are dropped; nil: none
	share   float64    // of the deliveries that are dropped
	dropped int
}

// dropShare drops this share of all deliveries from now on. Stripe gets 200 for them.
func (b *balancer) dropShare(seed uint64, share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.random, b.share = rand.New(rand.NewPCG(seed, 0)), share
}

// droppedCount returns how many deliveries were dropped.
func (b *balancer) droppedCount() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// drops decides whether to drop a delivery, and counts it.
func (b *balancer) drops() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.random == nil || b.random.Float64() >= b.share {
		return false
	}
	b.dropped++
	return true
}

func (b *balancer) add(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = append(b.targets, target)
}

// set makes these the only targets.
func (b *balancer) set(targets ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = targets
}

// nextTarget records a delivery and returns the next target; "" if there is none.
func (b *balancer) nextTarget(body string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received = append(b.received, body)
	if len(b.targets) == 0 {
		return ""
	}
	b.next++
	return b.targets[b.next%len(b.targets)]
}

// deliveries returns the bodies of all deliveries that were not dropped.
func (b *balancer) deliveries() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// ServeHTTP forwards one delivery. If the process does not accept it, Stripe repeats it.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if b.drops() {
		w.WriteHeader(http.StatusOK)
		return
	}
	target := b.nextTarget(string(body))
	if err != nil || target == "" {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	header := map[string]string{
		"Stripe-Signature": r.Header.Get("Stripe-Signature"), "Content-Type": r.Header.Get("Content-Type"),
	}
	if b.sign != nil {
		header["Stripe-Signature"] = b.sign(string(body))
	}
	a, err := call(r.Context(), b.client, http.MethodPost, target+"/webhooks/stripe", header, string(body))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(a.status)
}

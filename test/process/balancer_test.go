package process_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// balancer receives Stripe's deliveries and forwards each to the next process in turn.
type balancer struct {
	client *http.Client
	sign   func(body string) string // signs deliveries anew; nil: they keep Stripe's signature

	mu      sync.Mutex
	targets []string
	next    int
	taken   []string // bodies of all deliveries, as they came

	random *rand.Rand // decides which are lost; nil: none is
	share  float64
	gone   int
}

// lose drops this share of all deliveries from now on. Stripe gets 200 for them.
func (b *balancer) lose(seed uint64, share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.random, b.share = rand.New(rand.NewPCG(seed, 0)), share
}

func (b *balancer) lost() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone
}

func (b *balancer) loses() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.random == nil || b.random.Float64() >= b.share {
		return false
	}
	b.gone++
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

// turn counts a delivery and returns the server whose turn it is; "" if there is none.
func (b *balancer) turn(body string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = append(b.taken, body)
	if len(b.targets) == 0 {
		return ""
	}
	b.next++
	return b.targets[b.next%len(b.targets)]
}

func (b *balancer) deliveries() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.taken)
}

// ServeHTTP passes one delivery on. If no server accepts it, Stripe tries again.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if b.loses() {
		w.WriteHeader(http.StatusOK)
		return
	}
	target := b.turn(string(body))
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

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// forwarder passes Stripe's webhooks on to Kasse. A fault may delay them.
type forwarder struct {
	client *http.Client
	life   context.Context //nolint:containedctx // a delivery outlives the request that brought its event

	mu   sync.Mutex
	to   string
	late time.Duration
	all  sync.WaitGroup
}

func (p *forwarder) setTarget(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *forwarder) delay(late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = late
}

// ServeHTTP forwards an event. A delayed event is acknowledged to Stripe at once.
func (p *forwarder) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	to, late := p.to, p.late
	p.mu.Unlock()
	header := map[string]string{
		"Stripe-Signature": r.Header.Get("Stripe-Signature"), "Content-Type": r.Header.Get("Content-Type"),
	}
	deliver := func(ctx context.Context) int {
		a, _ := testenv.Call(ctx, p.client, http.MethodPost, to+"/webhooks/stripe", header, string(body))
		return a.Status
	}
	if late == 0 {
		if status := deliver(r.Context()); status != 0 {
			out.WriteHeader(status)
			return
		}
		out.WriteHeader(http.StatusBadGateway)
		return
	}
	p.all.Go(func() {
		if wait.Pause(p.life, late) {
			deliver(p.life)
		}
	})
}

// backend receives Kasse's pushes. It accepts them unless a fault sets another status.
type backend struct {
	mu     sync.Mutex
	status int           // of every response; 0 means 200
	hung   chan struct{} // while set, no response is sent until it is closed
}

func (b *backend) setStatus(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *backend) hang() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hung = make(chan struct{})
}

func (b *backend) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hung != nil {
		close(b.hung)
		b.hung = nil
	}
}

func (b *backend) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	status, hung := b.status, b.hung
	b.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
		return
	}
	if status != 0 {
		out.WriteHeader(status)
	}
}

// receiver receives Alertmanager's notifications by webhook.
type receiver struct {
	mu      sync.Mutex
	arrived map[string]time.Time // first notification of each alert
}

// ServeHTTP records a notification: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
func (r *receiver) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	var notification struct {
		Alerts []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(request.Body); err != nil || json.Unmarshal(body.Bytes(), &notification) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, alert := range notification.Alerts {
		if name := alert.Labels["alertname"]; alert.Status == "firing" && r.arrived[name].IsZero() {
			r.arrived[name] = time.Now()
		}
	}
}

// first returns the time of an alert's first notification.
func (r *receiver) first(alert string) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.arrived[alert]; ok {
		return at, nil
	}
	return time.Time{}, errors.New("the alert has not arrived at the receiver")
}

// others returns the names of the other alerts that arrived, sorted.
func (r *receiver) others(alert string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.arrived)) {
		if name != alert {
			names = append(names, name)
		}
	}
	return names
}

package stripesim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	deliveryWorkers = 8                      // concurrent posts over all endpoints
	deliveryTimeout = 10 * time.Second       // after it a delivery has failed
	firstBackoff    = 250 * time.Millisecond // doubled at every failure; Stripe's takes minutes
	longestBackoff  = time.Hour
	deliveryLife    = 72 * time.Hour // Stripe's: https://docs.stripe.com/webhooks#automatic-retries
)

// hook is a registered endpoint.
type hook struct {
	Webhook
	ID      string
	Created unix
}

func (h *hook) id() string { return h.ID }

// MarshalJSON writes Stripe's webhook_endpoint, which shows no secret.
func (h *hook) MarshalJSON() ([]byte, error) {
	events := h.Events
	if len(events) == 0 {
		events = []string{"*"}
	}
	return json.Marshal(document{
		"id": h.ID, "object": "webhook_endpoint", "api_version": text(
			h.APIVersion,
		), "application": nil, "created": h.Created,
		"description": nil, "enabled_events": events,
		"livemode": false, "metadata": document{}, "status": "enabled", "url": h.URL,
	})
}

func (h *hook) wants(kind string) bool {
	for _, pattern := range h.Events {
		if matchesType(pattern, kind) {
			return true
		}
	}
	return len(h.Events) == 0
}

func (a *account) addHook(w Webhook) {
	a.hooks = append(a.hooks, &hook{Webhook: w, ID: "we_1" + a.ids.letters(23), Created: a.unix()})
}

// delivery is one event on its way to one endpoint.
type delivery struct {
	event    *event
	hook     *hook
	began    time.Time
	failures int
	thin     *thinEvent // sent in place of the endpoint's usual form; else nil
}

// payload is the body of the request.
func (d *delivery) payload() any {
	if d.thin != nil {
		return d.thin
	}
	return d.hook.payload(d.event)
}

// outbox holds the deliveries that are due, and counts all that have not arrived yet.
type outbox struct {
	ready       []*delivery
	undelivered int
}

// send plans an event's delivery to every endpoint that selects its type.
func (a *account) send(e *event, delay time.Duration) {
	for _, h := range a.hooks {
		if !h.wants(e.Type) {
			continue
		}
		d := &delivery{event: e, hook: h, began: a.now()}
		a.outbox.undelivered++
		if delay == 0 {
			a.outbox.ready = append(a.outbox.ready, d)
		} else {
			a.scheduler.add(timer{at: a.now().Add(delay), delivery: d})
		}
	}
}

// deliver is one delivery worker.
func (s *Server) deliver() {
	for {
		d, home := s.takeDelivery()
		if d == nil {
			return
		}
		err := s.postEvent(d)
		s.settleDelivery(home, d, err)
	}
}

// takeDelivery waits for a due delivery; nil once the server is closed.
func (s *Server) takeDelivery() (*delivery, *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.closed {
			return nil, nil
		}
		if box := &s.account.outbox; len(box.ready) > 0 {
			d := box.ready[0]
			box.ready = box.ready[1:]
			return d, s.account
		}
		s.changed.Wait()
	}
}

// settleDelivery removes an accepted delivery, or plans its next try. home is the delivery's account, which a
// reset may have replaced.
func (s *Server) settleDelivery(home *account, d *delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	if err == nil || s.closed {
		home.outbox.undelivered--
		d.event.PendingWebhooks = max(0, d.event.PendingWebhooks-1)
		return
	}
	s.log.Debug("webhook not taken", "event", d.event.ID, "type", d.event.Type, "failures", d.failures+1, "error", err)
	backoff := min(firstBackoff<<min(d.failures, 20), longestBackoff)
	d.failures++
	if home.now().Sub(d.began) > deliveryLife {
		home.outbox.undelivered--
		return
	}
	home.scheduler.add(timer{at: home.now().Add(backoff), delivery: d})
}

// postEvent sends the event once. Any status but 2xx is a failure, including redirects.
func (s *Server) postEvent(d *delivery) error {
	s.mu.Lock()
	body, err := render(d.payload())
	at, began := s.account.now(), s.opts.Now()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	body = bytes.TrimSpace(body) // unlike an API response, a webhook ends with its brace
	ctx, cancel := context.WithTimeout(s.done, deliveryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.hook.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	req.Header.Set("Stripe-Signature", Sign(d.hook.Secret, at, body))
	res, err := s.post.Do(req)
	if err != nil {
		s.noteDelivery(d, began, 0, nil)
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answered, _ := io.ReadAll(io.LimitReader(res.Body, maxBody))
	s.noteDelivery(d, began, res.StatusCode, answered)
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("endpoint answered %d", res.StatusCode)
	}
	return nil
}

// Sign returns the Stripe-Signature header of a delivery at that time.
//
// Source: https://docs.stripe.com/webhooks#verify-manually
func Sign(secret string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = fmt.Fprintf(mac, "%d.%s", at.Unix(), body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

func deliveryClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: deliveryWorkers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Drain makes late events due and waits until every event has arrived at every endpoint, retries
// included, or ctx ends. It does not wait for debits and refunds that settle later: see SettleAll.
func (s *Server) Drain(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.account.outbox.undelivered > 0 {
		err := ctx.Err()
		if s.closed {
			err = http.ErrServerClosed
		}
		if err != nil {
			return fmt.Errorf("%d deliveries outstanding: %w", s.account.outbox.undelivered, err)
		}
		if s.account.releaseLate() {
			s.changed.Broadcast()
		}
		s.changed.Wait()
	}
	return nil
}

// releaseLate makes delayed first deliveries due now; retries keep their backoff.
func (a *account) releaseLate() bool {
	var rest scheduler
	for _, next := range a.scheduler {
		if next.delivery != nil && next.delivery.failures == 0 {
			a.outbox.ready = append(a.outbox.ready, next.delivery)
		} else {
			rest = append(rest, next)
		}
	}
	hurried := len(rest) < len(a.scheduler)
	a.scheduler = rest
	return hurried
}

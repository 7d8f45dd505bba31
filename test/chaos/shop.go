package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// shop is the load: orders come when the plan says, however the ones before them fare; each goes its walk.
type shop struct {
	*environment
	began time.Time
	all   sync.WaitGroup

	patience time.Duration // for one payment to become right

	mu       sync.Mutex
	payments map[string]string // of the orders whose payment is known
	done     []testenv.History // that have gone their whole walk
}

// run opens every order of the plan at its time, and returns when all have gone their walk.
func (s *shop) run(ctx context.Context, histories []testenv.History) {
	for _, h := range histories {
		if !wait.Pause(ctx, time.Until(s.began.Add(h.At))) {
			break
		}
		s.all.Go(func() {
			if err := s.live(ctx, h); err != nil && ctx.Err() == nil {
				s.oracle.complain(h.Order, err.Error())
			}
		})
	}
	s.all.Wait()
}

// live is one order's life.
func (s *shop) live(ctx context.Context, h testenv.History) error {
	payment, err := s.openPayment(ctx, h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.payments[h.Order] = payment
	s.mu.Unlock()
	for i, step := range h.Steps {
		if !wait.Pause(ctx, h.Gaps[i]) {
			return ctx.Err()
		}
		if err := s.Stripe.Take(ctx, payment, step, h.Amount); err != nil {
			return err
		}
		s.poll(ctx, payment)
	}
	s.mu.Lock()
	s.done = append(s.done, h)
	s.mu.Unlock()
	return nil
}

func (s *shop) openPayment(ctx context.Context, h testenv.History) (string, error) {
	if h.Elsewhere {
		return s.Stripe.Open(ctx, h)
	}
	return s.create(ctx, h)
}

// create asks Kasse for a payment until it gets one. Only answers that say so may be asked again.
func (s *shop) create(ctx context.Context, h testenv.History) (string, error) {
	method := "automatic_async"
	if h.Manual {
		method = "manual"
	}
	body := fmt.Sprintf(`{"order_id":%q,"amount":%d,"currency":"eur","capture_method":%q}`, h.Order, h.Amount, method)
	payment := ""
	err := wait.For(ctx, func() error {
		a, err := s.ask(ctx, http.MethodPost, "/v1/payments", body)
		if err != nil {
			return err
		}
		var said struct {
			Payment   string `json:"payment_intent"`
			Code      string
			Retryable bool
		}
		err = json.Unmarshal(a.Body, &said)
		switch {
		case err != nil:
			return err
		case a.Status/100 == 2:
			payment = said.Payment
			s.oracle.answered(h.Order, payment)
			return nil
		case !said.Retryable:
			return errors.Join(wait.ErrGaveUp, fmt.Errorf("a create was answered %d %s", a.Status, a.Body))
		}
		wait.Pause(ctx, 100*time.Millisecond)
		return fmt.Errorf("a create was answered %d %s", a.Status, said.Code)
	})
	return payment, err
}

// poll is what a page does now and then. What it was shown must not be taken back.
func (s *shop) poll(ctx context.Context, payment string) {
	if v, err := s.status(ctx, payment); err == nil {
		s.oracle.saw(payment, v.Version)
	}
}

// status asks for a status view.
func (s *shop) status(ctx context.Context, payment string) (testenv.View, error) {
	a, err := s.ask(ctx, http.MethodGet, "/v1/payments/"+payment, "")
	if err != nil {
		return testenv.View{}, err
	}
	if a.Status != http.StatusOK {
		return testenv.View{}, fmt.Errorf("%s: a status was answered %d %s", payment, a.Status, a.Body)
	}
	var v testenv.View
	err = json.Unmarshal(a.Body, &v)
	return v, err
}

// follow reads the feed as a backend does, from its cursor, through all faults, until it is stopped.
func (s *shop) follow(ctx context.Context, stop <-chan struct{}) {
	cursor := ""
	for {
		next, count := s.followOnce(ctx, cursor)
		if next != "" {
			cursor = next
		}
		select {
		case <-stop:
			if next != "" && count == 0 {
				return
			}
		default:
		}
		if count == 0 && !wait.Pause(ctx, 50*time.Millisecond) {
			return
		}
	}
}

// followOnce reads one page and returns the cursor after it, empty where there was no answer.
func (s *shop) followOnce(ctx context.Context, cursor string) (next string, count int) {
	a, err := s.ask(ctx, http.MethodGet, "/v1/events?limit=500&after="+url.QueryEscape(cursor), "")
	if err != nil || a.Status/100 == 5 {
		return "", 0
	}
	var page struct {
		Events []struct{ ID string }
		Next   string
	}
	if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
		s.oracle.complain("feed", fmt.Sprintf("answered %d %s", a.Status, a.Body))
		return "", 0
	}
	var ids []string
	for _, e := range page.Events {
		ids = append(ids, e.ID)
	}
	s.oracle.noteFeed(ids)
	return page.Next, len(ids)
}

// canary is an order that is opened and paid after a fault: when it shows as paid, everything works again.
func (s *shop) canary(ctx context.Context, name string) error {
	h := testenv.History{
		Walk: testenv.Walk{Steps: []testenv.Step{testenv.Pay}, State: "paid"}, Order: name, Amount: 4200,
		Gaps: []time.Duration{0},
	}
	if err := s.live(ctx, h); err != nil {
		return err
	}
	return s.awaitState(ctx, h)
}

// awaitState waits until Kasse shows an order's payment as the walk left it.
func (s *shop) awaitState(ctx context.Context, h testenv.History) error {
	s.mu.Lock()
	payment := s.payments[h.Order]
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	return wait.For(ctx, func() error {
		v, err := s.status(ctx, payment)
		if err != nil {
			return err
		}
		s.oracle.saw(payment, v.Version)
		v.Version, v.FulfillableAt = 0, ""
		if want := h.End(payment); v != want {
			return fmt.Errorf("shown is %+v, and the truth is %+v", v, want)
		}
		return nil
	})
}

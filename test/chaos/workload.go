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

// workload is the load of a round. Orders start at their planned times, independently of each other.
type workload struct {
	*environment
	began time.Time
	all   sync.WaitGroup

	patience time.Duration // time limit for one payment to reach its state

	mu       sync.Mutex
	payments map[string]string   // payment id by order id
	done     []testenv.OrderPlan // orders whose steps are all done
	watched  struct{ changes, reads int }
	faults   int // injected by injectClusterFault so far
}

// load starts every order of the plan at its time, and returns when all steps are done.
func (s *workload) load(ctx context.Context, orders []testenv.OrderPlan) {
	for _, h := range orders {
		if !wait.Pause(ctx, time.Until(s.began.Add(h.At))) {
			break
		}
		s.all.Go(func() {
			if err := s.runOrder(ctx, h); err != nil && ctx.Err() == nil {
				s.oracle.addWrong(h.Order, err.Error())
			}
		})
	}
	s.all.Wait()
}

// runOrder runs one order: the create, and the steps at Stripe.
func (s *workload) runOrder(ctx context.Context, h testenv.OrderPlan) error {
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
		if err := s.Stripe.Apply(ctx, payment, step, h.Amount); err != nil {
			return err
		}
		s.poll(ctx, payment)
	}
	s.mu.Lock()
	s.done = append(s.done, h)
	s.mu.Unlock()
	return nil
}

func (s *workload) openPayment(ctx context.Context, h testenv.OrderPlan) (string, error) {
	if h.Elsewhere {
		return s.Stripe.Open(ctx, h)
	}
	return s.create(ctx, h)
}

// create sends creates until one succeeds. Only retryable errors are repeated.
func (s *workload) create(ctx context.Context, h testenv.OrderPlan) (string, error) {
	method := "automatic_async"
	if h.Manual {
		method = "manual"
	}
	body := fmt.Sprintf(`{"order_id":%q,"amount":%d,"currency":"eur","capture_method":%q}`, h.Order, h.Amount, method)
	payment := ""
	err := wait.For(ctx, func() error {
		a, err := s.request(ctx, http.MethodPost, "/v1/payments", body)
		if err != nil {
			return err
		}
		var response struct {
			Payment   string `json:"payment_intent"`
			Code      string
			Retryable bool
		}
		err = json.Unmarshal(a.Body, &response)
		switch {
		case err != nil:
			return err
		case a.Status/100 == 2:
			payment = response.Payment
			s.oracle.recordCreate(h.Order, payment)
			return nil
		case !response.Retryable:
			return errors.Join(wait.ErrGaveUp, fmt.Errorf("the create was answered with %d %s", a.Status, a.Body))
		}
		wait.Pause(ctx, 100*time.Millisecond)
		return fmt.Errorf("the create was answered with %d %s", a.Status, response.Code)
	})
	return payment, err
}

// poll reads the status, as a page does. A version that was shown must not be lost.
func (s *workload) poll(ctx context.Context, payment string) {
	if v, err := s.status(ctx, payment); err == nil {
		s.oracle.recordVersion(payment, v.Version)
	}
}

func (s *workload) status(ctx context.Context, payment string) (testenv.View, error) {
	a, err := s.request(ctx, http.MethodGet, "/v1/payments/"+payment, "")
	if err != nil {
		return testenv.View{}, err
	}
	if a.Status != http.StatusOK {
		return testenv.View{}, fmt.Errorf("the status read of %s was answered with %d %s", payment, a.Status, a.Body)
	}
	var v testenv.View
	err = json.Unmarshal(a.Body, &v)
	return v, err
}

// follow reads the feed with its cursor, as a backend does, through all faults until stop.
func (s *workload) follow(ctx context.Context, stop <-chan struct{}) {
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

// followOnce reads one page. It returns the next cursor, or "" without a response.
func (s *workload) followOnce(ctx context.Context, cursor string) (next string, count int) {
	a, err := s.request(ctx, http.MethodGet, "/v1/events?limit=500&after="+url.QueryEscape(cursor), "")
	if err != nil || a.Status/100 == 5 {
		return "", 0
	}
	var page struct {
		Events []struct{ ID string }
		Next   string
	}
	if err := json.Unmarshal(a.Body, &page); err != nil || a.Status != http.StatusOK {
		s.oracle.addWrong("feed", fmt.Sprintf("answered %d %s", a.Status, a.Body))
		return "", 0
	}
	var ids []string
	for _, e := range page.Events {
		ids = append(ids, e.ID)
	}
	s.oracle.recordFeed(ids)
	return page.Next, len(ids)
}

// canary opens and pays an order after a fault. It returns an error unless Kasse shows the order as paid.
func (s *workload) canary(ctx context.Context, name string) error {
	h := testenv.OrderPlan{
		Lifecycle: testenv.Lifecycle{Steps: []testenv.Step{testenv.Pay}, State: "paid"}, Order: name, Amount: 4200,
		Gaps: []time.Duration{0},
	}
	if err := s.runOrder(ctx, h); err != nil {
		return err
	}
	return s.awaitState(ctx, h)
}

// awaitState waits until Kasse shows an order's final state.
func (s *workload) awaitState(ctx context.Context, h testenv.OrderPlan) error {
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
		s.oracle.recordVersion(payment, v.Version)
		v.Version, v.FulfillableAt = 0, ""
		if want := h.End(payment); v != want {
			return fmt.Errorf("shown is %+v, want %+v", v, want)
		}
		return nil
	})
}

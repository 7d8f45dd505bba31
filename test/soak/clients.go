package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

const (
	followers   = 3    // readers of the feed; all but the first cancel some of their requests
	cancelShare = 0.15 // share of long polls and creates that the client cancels
	longestWait = 8    // the longest wait parameter of a status poll, in seconds
)

// runLoad starts each order at its planned time. It returns when every client and backend has ended and every
// webhook has been accepted.
func (env *environment) runLoad(ctx context.Context, orders []testenv.OrderPlan) {
	var backends, customers sync.WaitGroup
	ctx, closing := context.WithCancel(ctx)
	defer closing()
	backends.Go(func() { env.feedReader.follow(ctx, env, rand.New(rand.NewPCG(env.seed, 2)), 0) })
	for i := range followers - 1 {
		f := &follower{seen: map[string]bool{}}
		backends.Go(func() { f.follow(ctx, env, rand.New(rand.NewPCG(env.seed, uint64(3+i))), float64(i)) })
	}
	backends.Go(func() { env.sendInvalidRequests(ctx, rand.New(rand.NewPCG(env.seed, 100))) })
	began := time.Now()
	for i, h := range orders {
		if !wait.Pause(ctx, time.Until(began.Add(h.At))) {
			break
		}
		customers.Go(func() {
			c := &customer{environment: env, plan: h, dice: rand.New(rand.NewPCG(env.seed, uint64(1000+i)))}
			if err := c.run(ctx); err != nil && ctx.Err() == nil {
				env.stats.addProblem("%s: %v", h.Order, err)
			}
		})
	}
	customers.Wait()
	err := wait.For(ctx, func() error {
		if n := env.Sender.Waiting() + int64(env.Stripe.Sim.Undelivered()); n > 0 {
			return fmt.Errorf("%d webhooks were not accepted by Kasse", n)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		env.stats.addProblem("%v", err)
	}
	closing()
	backends.Wait()
}

// customer is one order and the page that polls its status.
type customer struct {
	*environment
	plan       testenv.OrderPlan
	dice       *rand.Rand // for the order's actions; the page has its own generator
	payment    string
	credential string      // the page's credential
	stepsDone  atomic.Bool // all steps at Stripe are done
}

// run runs the order from its create to the final read.
func (c *customer) run(ctx context.Context) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.payments[c.plan.Order] = c.payment
	c.mu.Unlock()
	var page sync.WaitGroup
	dice := rand.New(rand.NewPCG(c.dice.Uint64(), 0))
	page.Go(func() { c.pollStatus(ctx, dice) })
	err := c.runSteps(ctx)
	c.stepsDone.Store(true)
	page.Wait()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.done = append(c.done, c.plan)
	c.mu.Unlock()
	_, err = c.request(ctx, http.MethodGet, "/v1/orders/"+c.plan.Order, testenv.BackendKey, "")
	if err == nil && c.dice.IntN(4) == 0 {
		_, err = c.request(ctx, http.MethodGet, "/v1/payments/"+c.payment+"/history", testenv.BackendKey, "")
	}
	return err
}

// runSteps makes the planned changes of the payment at Stripe.
func (c *customer) runSteps(ctx context.Context) error {
	for i, step := range c.plan.Steps {
		if !wait.Pause(ctx, c.plan.Gaps[i]) {
			return ctx.Err()
		}
		if err := c.Stripe.Apply(ctx, c.payment, step, c.plan.Amount); err != nil {
			return err
		}
	}
	return nil
}

// open creates the payment: with the backend's key, with an order token, or directly at Stripe as another
// replica would. Some first attempts are canceled by the client and repeated.
func (c *customer) open(ctx context.Context) (err error) {
	h := c.plan
	if h.Elsewhere {
		c.credential = testenv.BackendKey
		c.payment, err = c.Stripe.Open(ctx, h)
		return err
	}
	method := "automatic_async"
	if h.Manual {
		method = "manual"
	}
	body := fmt.Sprintf(
		`{"order_id":%q,"amount":%d,"currency":"eur","capture_method":%q,"customer":%q}`, h.Order, h.Amount,
		method, c.customer,
	)
	credential := testenv.BackendKey
	if c.dice.IntN(2) == 0 {
		if credential, err = c.token(ctx, body); err != nil {
			return err
		}
		body = ""
	}
	if c.dice.Float64() < cancelShare {
		shortCtx, cancel := context.WithTimeout(ctx, time.Duration(c.dice.Int64N(int64(20*time.Millisecond))))
		_, _ = c.request(shortCtx, http.MethodPost, "/v1/payments", credential, body)
		cancel()
	}
	return wait.For(ctx, func() error { return c.create(ctx, credential, body) })
}

func (c *customer) token(ctx context.Context, body string) (string, error) {
	a, err := c.request(ctx, http.MethodPost, "/v1/order-tokens", testenv.BackendKey, body)
	var minted struct{ Token string }
	if err == nil {
		err = json.Unmarshal(a.Body, &minted)
	}
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("the request of an order token was answered with %d %s", a.Status, a.Body)
	}
	return minted.Token, err
}

// create sends one create request. It may be refused with idempotency_in_progress, because a canceled create
// of the same order is still running.
func (c *customer) create(ctx context.Context, credential, body string) error {
	a, err := c.request(ctx, http.MethodPost, "/v1/payments", credential, body)
	if err != nil {
		return err
	}
	var created struct {
		Payment string `json:"payment_intent"`
		Secret  string `json:"client_secret"`
		Code    string
	}
	err = json.Unmarshal(a.Body, &created)
	switch {
	case err != nil:
		return err
	case a.Status/100 == 2:
		c.payment, c.credential = created.Payment, created.Secret
		return nil
	case created.Code != "idempotency_in_progress":
		err = wait.ErrGaveUp
	}
	return errors.Join(err, fmt.Errorf("the create was answered with %d %s", a.Status, created.Code))
}

// pollStatus polls the status, with and without wait, until it shows the final state. Some polls are canceled
// and repeated.
func (c *customer) pollStatus(ctx context.Context, dice *rand.Rand) {
	etag, shown, deadline := "", testenv.View{}, time.Time{}
	for ctx.Err() == nil {
		last := c.stepsDone.Load()
		if err := c.pollOnce(ctx, dice, &etag, &shown); err != nil {
			c.stats.addProblem("%s: %v", c.plan.Order, err)
			return
		}
		if !last {
			continue
		}
		want := c.plan.End(c.payment)
		if sameView(shown, want) {
			return
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(wait.Patience)
		}
		if time.Now().After(deadline) {
			c.stats.addProblem("%s: shown is %+v, want %+v", c.plan.Order, shown, want)
			return
		}
	}
}

// pollOnce sends one status request and stores its ETag and view.
func (c *customer) pollOnce(ctx context.Context, dice *rand.Rand, etag *string, shown *testenv.View) error {
	path, requestCtx, cancel := "/v1/payments/"+c.payment, ctx, func() {}
	pause := time.Duration(dice.Int64N(int64(400 * time.Millisecond)))
	if dice.IntN(5) > 0 {
		path, pause = fmt.Sprintf("%s?wait=%d", path, 1+dice.IntN(longestWait)), 0
		if dice.Float64() < cancelShare {
			requestCtx, cancel = context.WithTimeout(ctx, time.Duration(dice.Int64N(int64(500*time.Millisecond))))
		}
	}
	defer cancel()
	a, err := c.request(requestCtx, http.MethodGet, path, c.credential, "", "If-None-Match", *etag)
	switch {
	case err != nil && requestCtx.Err() != nil:
		return nil
	case err != nil:
		return err
	case a.Status == http.StatusOK:
		*etag = a.Header.Get("ETag")
		if err := json.Unmarshal(a.Body, shown); err != nil {
			return err
		}
	case a.Status != http.StatusNotModified:
		return fmt.Errorf("the status read was answered with %d %s", a.Status, a.Body)
	}
	wait.Pause(ctx, pause)
	return nil
}

// sameView compares two views without version and time, which the expected view does not have.
func sameView(shown, want testenv.View) bool {
	shown.Version, shown.FulfillableAt = 0, ""
	return shown == want
}

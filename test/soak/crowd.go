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
	followers = 3    // of the feed, one of whom hangs up all the time
	hangUps   = 0.15 // of the held polls, and of the creates
	longHold  = 8    // seconds that a page lets its poll be held, at most
)

// work lets the orders come at their time, and returns when every customer and backend has gone, and every event
// has been taken.
func (env *environment) work(ctx context.Context, histories []testenv.History) {
	var regulars, customers sync.WaitGroup
	ctx, closing := context.WithCancel(ctx)
	defer closing()
	regulars.Go(func() { env.accountant.follow(ctx, env, rand.New(rand.NewPCG(env.seed, 2)), 0) })
	for i := range followers - 1 {
		f := &follower{seen: map[string]bool{}}
		regulars.Go(func() { f.follow(ctx, env, rand.New(rand.NewPCG(env.seed, uint64(3+i))), float64(i)) })
	}
	regulars.Go(func() { env.knock(ctx, rand.New(rand.NewPCG(env.seed, 100))) })
	began := time.Now()
	for i, h := range histories {
		if !wait.Pause(ctx, time.Until(began.Add(h.At))) {
			break
		}
		customers.Go(func() {
			c := &customer{environment: env, history: h, dice: rand.New(rand.NewPCG(env.seed, uint64(1000+i)))}
			if err := c.live(ctx); err != nil && ctx.Err() == nil {
				env.books.complain("%s: %v", h.Order, err)
			}
		})
	}
	customers.Wait()
	err := wait.For(ctx, func() error {
		if n := env.Sender.Waiting() + int64(env.Stripe.Sim.Undelivered()); n > 0 {
			return fmt.Errorf("%d webhooks were not taken", n)
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		env.books.complain("%v", err)
	}
	closing()
	regulars.Wait()
}

// customer is one order with its page.
type customer struct {
	*environment
	history    testenv.History
	dice       *rand.Rand // of who acts; the page has its own
	payment    string
	credential string      // that the page shows
	walked     atomic.Bool // the walk has come to its end
}

// live is an order's life.
func (c *customer) live(ctx context.Context) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.payments[c.history.Order] = c.payment
	c.mu.Unlock()
	var page sync.WaitGroup
	dice := rand.New(rand.NewPCG(c.dice.Uint64(), 0))
	page.Go(func() { c.page(ctx, dice) })
	err := c.walk(ctx)
	c.walked.Store(true)
	page.Wait()
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.done = append(c.done, c.history)
	c.mu.Unlock()
	_, err = c.ask(ctx, http.MethodGet, "/v1/orders/"+c.history.Order, testenv.BackendKey, "")
	if err == nil && c.dice.IntN(4) == 0 {
		_, err = c.ask(ctx, http.MethodGet, "/v1/payments/"+c.payment+"/history", testenv.BackendKey, "")
	}
	return err
}

// walk is what happens to the payment at Stripe.
func (c *customer) walk(ctx context.Context) error {
	for i, step := range c.history.Steps {
		if !wait.Pause(ctx, c.history.Gaps[i]) {
			return ctx.Err()
		}
		if err := c.Stripe.Take(ctx, c.payment, step, c.history.Amount); err != nil {
			return err
		}
	}
	return nil
}

// open opens the order: by the backend, by the page with an order token, or at Stripe as if by another replica.
// Some hang up, and come again.
func (c *customer) open(ctx context.Context) (err error) {
	h := c.history
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
	if c.dice.Float64() < hangUps {
		hasty, cancel := context.WithTimeout(ctx, time.Duration(c.dice.Int64N(int64(20*time.Millisecond))))
		_, _ = c.ask(hasty, http.MethodPost, "/v1/payments", credential, body)
		cancel()
	}
	return wait.For(ctx, func() error { return c.create(ctx, credential, body) })
}

func (c *customer) token(ctx context.Context, body string) (string, error) {
	a, err := c.ask(ctx, http.MethodPost, "/v1/order-tokens", testenv.BackendKey, body)
	var minted struct{ Token string }
	if err == nil {
		err = json.Unmarshal(a.Body, &minted)
	}
	if err == nil && a.Status != http.StatusCreated {
		err = fmt.Errorf("an order token was answered %d %s", a.Status, a.Body)
	}
	return minted.Token, err
}

// create asks for the payment once. Another create of the same order may be under way, if its caller has hung up.
func (c *customer) create(ctx context.Context, credential, body string) error {
	a, err := c.ask(ctx, http.MethodPost, "/v1/payments", credential, body)
	if err != nil {
		return err
	}
	var said struct {
		Payment string `json:"payment_intent"`
		Secret  string `json:"client_secret"`
		Code    string
	}
	err = json.Unmarshal(a.Body, &said)
	switch {
	case err != nil:
		return err
	case a.Status/100 == 2:
		c.payment, c.credential = said.Payment, said.Secret
		return nil
	case said.Code != "idempotency_in_progress":
		err = wait.ErrGaveUp
	}
	return errors.Join(err, fmt.Errorf("a create was answered %d %s", a.Status, said.Code))
}

// page asks for the status until it is what the walk has left: at once, or held. Some hang up, and ask again.
func (c *customer) page(ctx context.Context, dice *rand.Rand) {
	etag, shown, patience := "", testenv.View{}, time.Time{}
	for ctx.Err() == nil {
		last := c.walked.Load()
		if err := c.look(ctx, dice, &etag, &shown); err != nil {
			c.books.complain("%s: %v", c.history.Order, err)
			return
		}
		if !last {
			continue
		}
		want := c.history.End(c.payment)
		if same(shown, want) {
			return
		}
		if patience.IsZero() {
			patience = time.Now().Add(wait.Patience)
		}
		if time.Now().After(patience) {
			c.books.complain("%s: shown is %+v, and the truth is %+v", c.history.Order, shown, want)
			return
		}
	}
}

// look asks once.
func (c *customer) look(ctx context.Context, dice *rand.Rand, etag *string, shown *testenv.View) error {
	path, asking, cancel := "/v1/payments/"+c.payment, ctx, func() {}
	pause := time.Duration(dice.Int64N(int64(400 * time.Millisecond)))
	if dice.IntN(5) > 0 {
		path, pause = fmt.Sprintf("%s?wait=%d", path, 1+dice.IntN(longHold)), 0
		if dice.Float64() < hangUps {
			asking, cancel = context.WithTimeout(ctx, time.Duration(dice.Int64N(int64(500*time.Millisecond))))
		}
	}
	defer cancel()
	a, err := c.ask(asking, http.MethodGet, path, c.credential, "", "If-None-Match", *etag)
	switch {
	case err != nil && asking.Err() != nil:
		return nil
	case err != nil:
		return err
	case a.Status == http.StatusOK:
		*etag = a.Header.Get("ETag")
		if err := json.Unmarshal(a.Body, shown); err != nil {
			return err
		}
	case a.Status != http.StatusNotModified:
		return fmt.Errorf("a status was answered %d %s", a.Status, a.Body)
	}
	wait.Pause(ctx, pause)
	return nil
}

// same compares what is shown with the truth, which does not know when.
func same(shown, want testenv.View) bool {
	shown.Version, shown.FulfillableAt = 0, ""
	return shown == want
}

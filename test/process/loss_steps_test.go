package process_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// lossCase is one order with its steps, of which Redis loses the last one, and the customer's
// action after the loss.
type lossCase struct {
	w        *lossEnv
	order    string
	steps    []string // Redis loses the last one
	action   string   // of the customer after the loss
	price    int64    // of the shop, in minor units
	token    string   // newest order token; empty: the shop creates with its key
	held     []view   // payments that the customer has got, oldest first
	copies   []string // PaymentIntents of another program with Kasse's metadata
	paid     bool     // by the customer's action
	problems []string
}

func (c *lossCase) String() string { return strings.Join(c.steps, "+") + ", " + c.action }

// problem records a problem. report fails the test.
func (c *lossCase) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// stepMutex keeps other steps from running while Stripe refuses to create payments.
var stepMutex sync.RWMutex

// step does one step of an order, which must succeed.
func (c *lossCase) step(name string) {
	if name == "withdrawn" {
		c.withdraw()
		return
	}
	stepMutex.RLock()
	defer stepMutex.RUnlock()
	if do, ok := lossSteps[name]; ok {
		do(c)
		return
	}
	method := lossMethods[name]
	c.w.pay(c.newest(), method.name)
	c.await(method.state)
}

// lossMethods are the payment methods of the steps that pay, with the resulting states.
var lossMethods = map[string]struct{ name, state string }{
	"declined": {"pm_card_visa_chargeDeclined", "failed"}, "3ds": {"pm_card_authenticationRequired", "action_required"},
	"processing": {"pm_sepaDebit", "processing"}, "paid": {"pm_card_visa", "paid"},
}

// lossSteps are the other steps.
var lossSteps = map[string]func(*lossCase){
	"open": func(c *lossCase) { c.mustCreate(false) },
	"next": func(c *lossCase) {
		c.mint()
		c.mustCreate(false)
	},
	"again":  func(c *lossCase) { c.mustCreate(false) },
	"reopen": func(c *lossCase) { c.mustCreate(true) },
	"price": func(c *lossCase) {
		c.price -= 100
		c.must(http.StatusOK, "PATCH", func() (answer, error) {
			v := c.shown(c.newest().PaymentIntent)
			header := map[string]string{
				"Authorization": "Bearer " + backendKey, "Content-Type": "application/json",
				"If-Match": fmt.Sprintf(`"%d"`, v.Version),
			}
			path := c.process().public + "/v1/payments/" + v.PaymentIntent
			body := fmt.Sprintf(`{"amount":%d}`, c.price)
			return call(c.w.t.Context(), c.w.processEnv.client, http.MethodPatch, path, header, body)
		})
	},
	"settled": func(c *lossCase) {
		c.w.noError(c.w.sim.Settle(c.newest().PaymentIntent, true))
		c.await("paid")
	},
	"refunded":        func(c *lossCase) { c.refund("", "refunded") },
	"partly refunded": func(c *lossCase) { c.refund(`{"amount":1000}`, "partially_refunded") },
	"closed": func(c *lossCase) {
		c.must(http.StatusOK, "a cancel", func() (answer, error) {
			path := "/v1/payments/" + c.newest().PaymentIntent + "/cancel"
			return c.process().request(backendKey, http.MethodPost, path, "")
		})
	},
	"canceled by Stripe": func(c *lossCase) {
		c.w.noError(c.w.sim.SetStatus(c.newest().PaymentIntent, "canceled"))
		c.await("canceled")
	},
}

// withdraw sends a create with a new price during 3-D Secure. The create fails after the payment
// was cancelled and before the next one is created.
func (c *lossCase) withdraw() {
	stepMutex.Lock()
	defer stepMutex.Unlock()
	c.mint()
	c.w.noError(c.w.sim.AddFault(stripesim.Fault{Endpoint: createRoute, Kind: stripesim.RateLimited, Times: -1}))
	defer c.w.sim.ClearFaults()
	c.w.noError(wait.For(c.w.t.Context(), func() error {
		a, err := c.post(false)
		slowRedis := a.view(c.w.t).Code == "store_unavailable"
		if err != nil || a.status != http.StatusServiceUnavailable || slowRedis {
			return errors.Join(err, fmt.Errorf("a create during Stripe's rate limit: got %d %s", a.status, a.body))
		}
		return nil
	}))
}

// process returns the process that gets the order's requests.
func (c *lossCase) process() *process { return c.w.all[len(c.order)%len(c.w.all)] }

// newest returns the newest payment that the customer has got.
func (c *lossCase) newest() view {
	if len(c.held) == 0 {
		return view{}
	}
	return c.held[len(c.held)-1]
}

// mint creates a token with a new price.
func (c *lossCase) mint() {
	c.price -= 100
	body := fmt.Sprintf(`{"order_id":%q,"amount":%d,"currency":"eur","customer":%q}`, c.order, c.price, c.w.buyer)
	var minted struct{ Token string }
	a := c.must(http.StatusCreated, "a new token", func() (answer, error) {
		return c.process().request(backendKey, http.MethodPost, "/v1/order-tokens", body)
	})
	a.decode(c.w.t, &minted)
	c.token = minted.Token
}

// post sends a create: as the page, if there is a token, and otherwise as the backend.
func (c *lossCase) post(reopen bool) (answer, error) {
	credential, body := backendKey, fmt.Sprintf(
		`{"order_id":%q,"amount":%d,"currency":"eur","customer":%q,"reopen":%t}`, c.order, c.price, c.w.buyer, reopen)
	if c.token != "" && !reopen {
		credential, body = c.token, ""
	}
	return c.process().request(credential, http.MethodPost, "/v1/payments", body)
}

// repeat sends a request until the answer is not retryable, as a backend does. On a slow machine
// Redis and the simulator may not answer in time.
func (c *lossCase) repeat(what string, send func() (answer, error)) (a answer) {
	err := wait.For(c.w.t.Context(), func() (err error) {
		if a, err = send(); err != nil {
			return errors.Join(wait.ErrGaveUp, err)
		}
		if a.status/100 != 2 && a.view(c.w.t).Retryable {
			wait.Pause(c.w.t.Context(), 100*time.Millisecond)
			return fmt.Errorf("got %d %s", a.status, a.body)
		}
		return nil
	})
	if err != nil {
		c.problem("%s: %v", what, err)
	}
	return a
}

// must is repeat; any other status is a problem.
func (c *lossCase) must(status int, what string, send func() (answer, error)) answer {
	a := c.repeat(what, send)
	if a.status != status {
		c.problem("%s: got %d %s, want %d", what, a.status, a.body, status)
	}
	return a
}

// create sends a create until the answer is not retryable. It returns false if the answer has no
// payment.
func (c *lossCase) create(reopen bool) (view, answer, bool) {
	a := c.repeat("a create", func() (answer, error) { return c.post(reopen) })
	if a.status == http.StatusBadGateway || a.status == http.StatusInternalServerError {
		c.problem("a create: got %d %s", a.status, a.body)
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		return view{}, a, false
	}
	v := a.view(c.w.t)
	if !slices.ContainsFunc(c.held, func(h view) bool { return h.PaymentIntent == v.PaymentIntent }) {
		c.held = append(c.held, v)
	}
	return v, a, true
}

// mustCreate is create; an answer without a payment is a problem.
func (c *lossCase) mustCreate(reopen bool) {
	if _, a, ok := c.create(reopen); !ok {
		c.problem("a create: got %d %s, want 200 or 201", a.status, a.body)
	}
}

// refund refunds the newest payment, and waits for the state.
func (c *lossCase) refund(body, state string) {
	header := map[string]string{"Authorization": "Bearer " + backendKey, "Idempotency-Key": "refund-" + c.order}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	path := c.process().public + "/v1/payments/" + c.newest().PaymentIntent + "/refunds"
	c.must(http.StatusCreated, "a refund", func() (answer, error) {
		return call(c.w.t.Context(), c.w.processEnv.client, http.MethodPost, path, header, body)
	})
	c.await(state)
}

// shown returns the backend's view of a payment.
func (c *lossCase) shown(payment string) lossView {
	var v lossView
	c.get("/v1/payments/"+payment).decode(c.w.t, &v)
	return v
}

// lookUp requests the newest payment, as a backend does.
func (c *lossCase) lookUp() {
	c.get("/v1/payments/" + c.newest().PaymentIntent)
}

// get requests something that exists.
func (c *lossCase) get(path string) answer {
	return c.must(http.StatusOK, "GET "+path, func() (answer, error) {
		return c.process().request(backendKey, http.MethodGet, path, "")
	})
}

// await waits for the state of the newest payment, unless the case has failed already.
func (c *lossCase) await(state string) {
	if len(c.held) > 0 && len(c.problems) == 0 {
		c.process().awaitState(c.newest(), state)
	}
}

// payAfterCopy creates and pays a copy of the payment before the customer pays, if Redis has the
// order.
func (c *lossCase) payAfterCopy() {
	a := c.repeat("GET of the order", func() (answer, error) {
		return c.process().request(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
	})
	if a.status == http.StatusOK {
		c.copyMetadata()
		c.w.noError(c.w.sim.Drain(c.w.t.Context()))
	}
	c.pay(c.newest())
}

// pay pays a payment that the customer has got, if it is still payable.
func (c *lossCase) pay(v view) {
	if !c.payable(v.PaymentIntent) {
		return
	}
	c.paid = c.w.pay(v, "pm_card_visa").Status == "succeeded"
}

// payable reports whether Stripe still accepts a payment method.
func (c *lossCase) payable(payment string) bool {
	var pi intent
	c.w.requestStripe(http.MethodGet, "/v1/payment_intents/"+payment, stripeKey, nil, &pi)
	return slices.Contains([]string{"requires_payment_method", "requires_confirmation", "requires_action"}, pi.Status)
}

// copyMetadata creates and pays a cheaper PaymentIntent with the newest one's metadata, as another
// program of the shop may do.
func (c *lossCase) copyMetadata() {
	var original, cheap intent
	c.w.requestStripe(http.MethodGet, "/v1/payment_intents/"+c.newest().PaymentIntent, stripeKey, nil, &original)
	form := url.Values{
		"amount": {"100"}, "currency": {"eur"}, "payment_method": {"pm_card_visa"}, "confirm": {"true"},
		"customer": {c.w.buyer}, "automatic_payment_methods[enabled]": {"true"},
		"return_url": {"https://shop.example/thanks"},
	}
	for name, value := range original.Metadata {
		form.Set("metadata["+name+"]", value)
	}
	c.w.requestStripe(http.MethodPost, "/v1/payment_intents", stripeKey, form, &cheap)
	c.copies = append(c.copies, cheap.ID)
}

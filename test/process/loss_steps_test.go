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

// lossCase is one order, the step of it that Redis forgets, and what its customer does afterwards.
type lossCase struct {
	w        *lossEnv
	order    string
	steps    []string // the last one is forgotten
	act      string   // of the customer after the loss
	price    int64    // minor units, as the shop has it
	token    string   // of the newest mint, empty where the shop creates with its key
	held     []view   // payments that the customer was handed, oldest first
	copies   []string // PaymentIntents that copy our metadata
	paid     bool     // the act has paid
	problems []string
}

func (c *lossCase) String() string { return strings.Join(c.steps, "+") + ", " + c.act }

func (c *lossCase) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// onlyFault lets one step at a time run while Stripe refuses to open payments.
var onlyFault sync.RWMutex

// step does one step of an order that works as it should.
func (c *lossCase) step(name string) {
	if name == "withdrawn" {
		c.withdrawn()
		return
	}
	onlyFault.RLock()
	defer onlyFault.RUnlock()
	if do, ok := lossSteps[name]; ok {
		do(c)
		return
	}
	method := lossMethods[name]
	c.w.pay(c.newest(), method.name)
	c.await(method.state)
}

// lossMethods are the payment methods of the steps that pay, with the state that each leads to.
var lossMethods = map[string]struct{ name, state string }{
	"declined": {"pm_card_visa_chargeDeclined", "failed"}, "3ds": {"pm_card_authenticationRequired", "action_required"},
	"processing": {"pm_sepaDebit", "processing"}, "paid": {"pm_card_visa", "paid"},
}

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
		c.w.no(c.w.sim.Settle(c.newest().PaymentIntent, true))
		c.await("paid")
	},
	"refunded":        func(c *lossCase) { c.refund("", "refunded") },
	"partly refunded": func(c *lossCase) { c.refund(`{"amount":1000}`, "partially_refunded") },
	"closed": func(c *lossCase) {
		c.must(http.StatusOK, "a cancel", func() (answer, error) {
			return c.process().ask(backendKey, http.MethodPost, "/v1/payments/"+c.newest().PaymentIntent+"/cancel", "")
		})
	},
	"canceled by Stripe": func(c *lossCase) {
		c.w.no(c.w.sim.SetStatus(c.newest().PaymentIntent, "canceled"))
		c.await("canceled")
	},
}

// withdrawn is a create with a new price in 3-D Secure that fails before the next attempt is
// opened.
func (c *lossCase) withdrawn() {
	onlyFault.Lock()
	defer onlyFault.Unlock()
	c.mint()
	c.w.no(c.w.sim.AddFault(stripesim.Fault{Endpoint: createRoute, Kind: stripesim.RateLimited, Times: -1}))
	defer c.w.sim.ClearFaults()
	c.w.no(wait.For(c.w.t.Context(), func() error {
		a, err := c.post(false)
		late := a.view(c.w.t).Code == "store_unavailable"
		if err != nil || a.status != http.StatusServiceUnavailable || late {
			return errors.Join(err, fmt.Errorf("a create that Stripe limits answered %d %s", a.status, a.body))
		}
		return nil
	}))
}

// process is the process that the order's requests go to, of the two.
func (c *lossCase) process() *process { return c.w.all[len(c.order)%len(c.w.all)] }

func (c *lossCase) newest() view {
	if len(c.held) == 0 {
		return view{}
	}
	return c.held[len(c.held)-1]
}

// mint makes a token with a new price.
func (c *lossCase) mint() {
	c.price -= 100
	body := fmt.Sprintf(`{"order_id":%q,"amount":%d,"currency":"eur","customer":%q}`, c.order, c.price, c.w.buyer)
	var minted struct{ Token string }
	a := c.must(http.StatusCreated, "a mint", func() (answer, error) {
		return c.process().ask(backendKey, http.MethodPost, "/v1/order-tokens", body)
	})
	a.decode(c.w.t, &minted)
	c.token = minted.Token
}

// post creates, as the page does where it has a token.
func (c *lossCase) post(reopen bool) (answer, error) {
	credential, body := backendKey, fmt.Sprintf(
		`{"order_id":%q,"amount":%d,"currency":"eur","customer":%q,"reopen":%t}`, c.order, c.price, c.w.buyer, reopen)
	if c.token != "" && !reopen {
		credential, body = c.token, ""
	}
	return c.process().ask(credential, http.MethodPost, "/v1/payments", body)
}

// repeat sends a request until its answer does not ask for another try, as a backend does: a slow machine makes Redis
// and the simulator late.
func (c *lossCase) repeat(what string, send func() (answer, error)) (a answer) {
	err := wait.For(c.w.t.Context(), func() (err error) {
		if a, err = send(); err != nil {
			return errors.Join(wait.ErrGaveUp, err)
		}
		if a.status/100 != 2 && a.view(c.w.t).Retryable {
			wait.Pause(c.w.t.Context(), 100*time.Millisecond)
			return fmt.Errorf("answered %d %s", a.status, a.body)
		}
		return nil
	})
	if err != nil {
		c.problem("%s: %v", what, err)
	}
	return a
}

// must is repeat with the only status that is right.
func (c *lossCase) must(status int, what string, send func() (answer, error)) answer {
	a := c.repeat(what, send)
	if a.status != status {
		c.problem("%s answered %d %s", what, a.status, a.body)
	}
	return a
}

// create is post; it returns the payment that was handed out, if one was.
func (c *lossCase) create(reopen bool) (view, answer, bool) {
	a := c.repeat("a create", func() (answer, error) { return c.post(reopen) })
	if a.status == http.StatusBadGateway || a.status == http.StatusInternalServerError {
		c.problem("a create is answered %d %s", a.status, a.body)
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

// mustCreate is create where nothing stands in the way.
func (c *lossCase) mustCreate(reopen bool) {
	if _, a, ok := c.create(reopen); !ok {
		c.problem("a create answered %d %s", a.status, a.body)
	}
}

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

// shown is what the backend sees of a payment.
func (c *lossCase) shown(payment string) lossView {
	var v lossView
	c.get("/v1/payments/"+payment).decode(c.w.t, &v)
	return v
}

// lookUp asks for the newest payment, as a backend does.
func (c *lossCase) lookUp() {
	c.get("/v1/payments/" + c.newest().PaymentIntent)
}

// get asks for what is there.
func (c *lossCase) get(path string) answer {
	return c.must(http.StatusOK, "GET "+path, func() (answer, error) {
		return c.process().ask(backendKey, http.MethodGet, path, "")
	})
}

func (c *lossCase) await(state string) {
	if len(c.held) > 0 && len(c.problems) == 0 {
		c.process().awaitState(c.newest(), state)
	}
}

// payAfterCopy lets a copy of our metadata be paid before the customer pays, if Redis has the order.
func (c *lossCase) payAfterCopy() {
	a := c.repeat("an order", func() (answer, error) {
		return c.process().ask(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
	})
	if a.status == http.StatusOK {
		c.copyMetadata()
		c.w.no(c.w.sim.Drain(c.w.t.Context()))
	}
	c.pay(c.newest())
}

// pay pays a payment that the customer holds, if Stripe still takes it.
func (c *lossCase) pay(v view) {
	if !c.payable(v.PaymentIntent) {
		return
	}
	c.paid = c.w.pay(v, "pm_card_visa").Status == "succeeded"
}

// payable reports whether a card would be taken.
func (c *lossCase) payable(payment string) bool {
	var pi intent
	c.w.askStripe(http.MethodGet, "/v1/payment_intents/"+payment, stripeKey, nil, &pi)
	return slices.Contains([]string{"requires_payment_method", "requires_confirmation", "requires_action"}, pi.Status)
}

// copyMetadata makes a cheaper PaymentIntent with the newest one's metadata, as another program of the shop
// might, and pays it.
func (c *lossCase) copyMetadata() {
	var pi, cheap intent
	c.w.askStripe(http.MethodGet, "/v1/payment_intents/"+c.newest().PaymentIntent, stripeKey, nil, &pi)
	form := url.Values{
		"amount": {"100"}, "currency": {"eur"}, "payment_method": {"pm_card_visa"}, "confirm": {"true"},
		"customer":                           {c.w.buyer},
		"automatic_payment_methods[enabled]": {"true"}, "return_url": {"https://shop.example/thanks"},
	}
	for name, value := range pi.Metadata {
		form.Set("metadata["+name+"]", value)
	}
	c.w.askStripe(http.MethodPost, "/v1/payment_intents", stripeKey, form, &cheap)
	c.copies = append(c.copies, cheap.ID)
}

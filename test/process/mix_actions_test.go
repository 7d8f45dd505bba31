package process_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// mixedOrder is one order of TestRandomOrders, with the drawn actions of its backend and
// customer.
type mixedOrder struct {
	*mix
	id       string
	customer string
	manual   bool
	backend  []drawnAction
	shopper  []drawnAction // the customer's

	mu       sync.Mutex
	amount   int64
	currency string
	payment  view     // newest payment that the customer has got
	tokens   []string // all order tokens
	// lastUnknown reports that the outcome of the last change is unknown, everUnknown that of any
	// change.
	lastUnknown, everUnknown bool
	log                      []string // actions with their responses
}

// drawnAction is an action with its random values.
type drawnAction struct {
	name   string
	amount int64
	random uint64
}

// backendActions and shopperActions are the actions to draw from. A repeated action is more
// frequent.
var (
	backendActions = []string{
		"create", "create", "new price", "new price", "old token", "currency", "currency", "patch", "patch",
		"cancel", "reopen", "reopen", "reopen", "capture", "refund",
	}
	shopperActions = []string{
		"pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclined",
		"pm_card_threeDSecureRequired", "pm_card_threeDSecureRequired", "pm_card_threeDSecureRequired",
		"pm_sepaDebit", "pm_sepaDebit_failed", "agree", "disagree", "settle", "bounce", "bounce",
	}
)

// cannotEnd reports that nothing can close the order: its backend cancels no payment, too few
// attempts can fail to close it, and every change was answered.
func (o *mixedOrder) cannotEnd() bool {
	cancels := func(a drawnAction) bool { return a.name == "cancel" }
	fails := 0
	for _, a := range o.shopper {
		if slices.Contains([]string{"pm_card_visa_chargeDeclined", "disagree", "settle", "bounce"}, a.name) {
			fails++
		}
	}
	return !o.everUnknown && fails <= mixFailed && !slices.ContainsFunc(o.backend, cancels)
}

// draw draws an order. The order depends only on the seed and its number.
func (m *mix) draw(seed uint64, number int, customer string) *mixedOrder {
	random := rand.New(rand.NewPCG(seed, uint64(number)+1))
	draw := func(from []string, least, more int) (all []drawnAction) {
		for range least + random.IntN(more) {
			all = append(all, drawnAction{from[random.IntN(len(from))], 1000 + random.Int64N(8000), random.Uint64()})
		}
		return all
	}
	o := &mixedOrder{
		mix: m, id: fmt.Sprintf("mix-%d", number), amount: 4200, currency: "eur", manual: random.IntN(3) == 0,
		backend: draw(backendActions, 5, 8), shopper: draw(shopperActions, 3, 6),
	}
	if random.IntN(2) == 0 {
		o.customer = customer
	}
	return o
}

// play opens the order's first payment. Then the backend and the customer act at the same time.
func (o *mixedOrder) play() {
	defer o.played.Add(1)
	for range 3 {
		if o.create(0, backendKey, o.body("")); o.newest().PaymentIntent != "" {
			break
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		for _, a := range o.backend {
			a.wait()
			o.actAsBackend(a)
		}
	})
	both.Go(func() {
		for _, a := range o.shopper {
			a.wait()
			o.actAsCustomer(a)
		}
	})
	both.Wait()
}

// wait pauses for a random time, so that backend and customer act in a random order.
func (a drawnAction) wait() { time.Sleep(time.Duration(a.random>>16%25) * time.Millisecond) }

// record records an action for the text of a failure.
func (o *mixedOrder) record(format string, values ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, fmt.Sprintf(format, values...))
}

// body returns the body of a create or of a token, with the order's current terms.
func (o *mixedOrder) body(more string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	body := fmt.Sprintf(`{"order_id":%q,"amount":%d,"currency":%q`, o.id, o.amount, o.currency)
	if o.customer != "" {
		body += fmt.Sprintf(`,"customer":%q`, o.customer)
	}
	if o.manual {
		body += `,"capture_method":"manual"`
	}
	return body + more + "}"
}

// create sends a create, and stores the returned payment.
func (o *mixedOrder) create(replica uint64, credential, body string) {
	a := o.change(replica, credential, http.MethodPost, "/v1/payments", body, nil)
	if a.status == http.StatusOK || a.status == http.StatusCreated {
		o.mu.Lock()
		o.payment = a.view(o.t)
		o.mu.Unlock()
	}
}

// change sends a change of the order, and records whether its outcome is known.
func (o *mixedOrder) change(replica uint64, credential, method, path, body string, header map[string]string) answer {
	a, known := o.send(replica, credential, method, path, body, header)
	o.record("%s %s %s: %d %.200s", method, path, body, a.status, a.body)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lastUnknown = !known || (o.lastUnknown && a.status >= http.StatusBadRequest)
	o.everUnknown = o.everUnknown || o.lastUnknown
	return a
}

// newest returns the newest payment that the customer has got.
func (o *mixedOrder) newest() view {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.payment
}

// actAsBackend does an action of the backend.
func (o *mixedOrder) actAsBackend(a drawnAction) {
	v := o.newest()
	path := "/v1/payments/" + v.PaymentIntent
	switch a.name {
	case "create":
		o.create(a.random, backendKey, o.body(""))
		return
	case "reopen":
		o.create(a.random, backendKey, o.body(`,"reopen":true`))
		return
	case "new price", "currency":
		o.reprice(a)
		return
	case "old token":
		if len(o.tokens) > 0 {
			o.create(a.random, o.tokens[a.random%uint64(len(o.tokens))], "")
		}
		return
	}
	if v.PaymentIntent == "" {
		return
	}
	switch a.name {
	case "patch":
		o.patch(a, v)
	case "cancel":
		o.change(a.random, backendKey, http.MethodPost, path+"/cancel", "", nil)
	case "capture":
		body := ""
		if a.random%3 == 0 {
			body = `{"amount":700}`
		}
		o.change(a.random, backendKey, http.MethodPost, path+"/capture", body, nil)
	case "refund":
		body := ""
		if a.random%3 != 0 {
			body = fmt.Sprintf(`{"amount":%d}`, 1+a.amount/20)
		}
		key := map[string]string{"Idempotency-Key": fmt.Sprintf("refund-%s-%d", o.id, a.random)}
		o.change(a.random, backendKey, http.MethodPost, path+"/refunds", body, key)
	}
}

// reprice creates a token with another price or currency. Mostly the page then sends a create with
// it; in one of five cases the customer closes the page before.
func (o *mixedOrder) reprice(a drawnAction) {
	o.mu.Lock()
	o.amount = a.amount
	if a.name == "currency" {
		o.currency = []string{"eur", "usd", "gbp"}[a.random%3]
	}
	o.mu.Unlock()
	created := o.change(a.random, backendKey, http.MethodPost, "/v1/order-tokens", o.body(""), nil)
	var token struct{ Token string }
	if created.status != http.StatusCreated || json.Unmarshal(created.body, &token) != nil {
		return
	}
	o.tokens = append(o.tokens, token.Token)
	if a.random%5 != 0 {
		o.create(a.random>>8, token.Token, "")
	}
}

// patch sets the amount of the payment, with its current version in If-Match.
func (o *mixedOrder) patch(a drawnAction, v view) {
	path := "/v1/payments/" + v.PaymentIntent
	current, known := o.send(a.random>>8, backendKey, http.MethodGet, path, "", nil)
	if !known || current.status != http.StatusOK {
		return
	}
	version := map[string]string{"If-Match": fmt.Sprintf(`"%d"`, current.view(o.t).Version)}
	changed := o.change(a.random, backendKey, http.MethodPatch, path, fmt.Sprintf(`{"amount":%d}`, a.amount), version)
	if changed.status == http.StatusOK || changed.status == 0 {
		o.mu.Lock()
		o.amount = a.amount
		o.mu.Unlock()
	}
}

// actAsCustomer does an action of the customer or of the customer's bank with the newest payment.
// Stripe refuses some actions.
func (o *mixedOrder) actAsCustomer(a drawnAction) {
	v := o.newest()
	if v.PaymentIntent == "" {
		return
	}
	var err error
	switch a.name {
	case "agree", "disagree":
		err = o.sim.Authenticate(v.PaymentIntent, a.name == "agree")
	case "settle", "bounce":
		err = o.sim.Settle(v.PaymentIntent, a.name == "settle")
	default:
		form := url.Values{
			"client_secret": {v.ClientSecret}, "payment_method": {a.name},
			"return_url": {"https://shop.example/thanks"},
		}
		header := map[string]string{
			"Authorization": "Bearer " + publishableKey, "Content-Type": "application/x-www-form-urlencoded",
		}
		address := o.stripe + "/v1/payment_intents/" + v.PaymentIntent + "/confirm"
		confirmed, err := call(o.t.Context(), o.client, http.MethodPost, address, header, form.Encode())
		o.record("customer: %s on %s: %d (%v)", a.name, v.PaymentIntent, confirmed.status, err)
		return
	}
	o.record("customer: %s on %s: %v", a.name, v.PaymentIntent, err)
}

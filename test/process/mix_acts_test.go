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

// mixedOrder is one order of TestOrdersEndTrue, with all that will be done about it.
type mixedOrder struct {
	*mix
	id       string
	customer string
	manual   bool
	backend  []drawnAct
	shopper  []drawnAct

	mu       sync.Mutex
	amount   int64
	currency string
	handed   view     // the newest payment that was handed out
	tokens   []string // all that were minted
	open     bool     // the outcome of the last change is not known
	opened   bool     // that of any was not
	log      []string // acts with their responses
}

// drawnAct is an act with what chance has to do with it.
type drawnAct struct {
	name   string
	amount int64
	any    uint64
}

// backendActs and shopperActs are drawn from; what stands there twice happens twice as often.
var (
	backendActs = []string{
		"create", "create", "new price", "new price", "old token", "currency", "currency", "patch", "patch", "cancel",
		"reopen",
		"reopen", "reopen", "capture", "refund",
	}
	shopperActs = []string{
		"pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclined", "pm_card_threeDSecureRequired",
		"pm_card_threeDSecureRequired", "pm_card_threeDSecureRequired", "pm_sepaDebit", "pm_sepaDebit_failed", "agree",
		"disagree",
		"settle", "bounce", "bounce",
	}
)

// goesOn reports whether nothing but its customer's wishes ended a payment of the order: its backend cancels
// nothing, too few attempts can fail to close it, and every change was answered.
func (o *mixedOrder) goesOn() bool {
	cancels := func(a drawnAct) bool { return a.name == "cancel" }
	fails := 0
	for _, a := range o.shopper {
		if slices.Contains([]string{"pm_card_visa_chargeDeclined", "disagree", "settle", "bounce"}, a.name) {
			fails++
		}
	}
	return !o.opened && fails <= mixFailed && !slices.ContainsFunc(o.backend, cancels)
}

// draw draws an order. It depends on the seed and its number only.
func (m *mix) draw(seed uint64, number int, customer string) *mixedOrder {
	random := rand.New(rand.NewPCG(seed, uint64(number)+1))
	acts := func(from []string, least, more int) (all []drawnAct) {
		for range least + random.IntN(more) {
			all = append(all, drawnAct{from[random.IntN(len(from))], 1000 + random.Int64N(8000), random.Uint64()})
		}
		return all
	}
	o := &mixedOrder{
		mix: m, id: fmt.Sprintf("mix-%d", number), amount: 4200, currency: "eur", manual: random.IntN(3) == 0,
		backend: acts(backendActs, 5, 8), shopper: acts(shopperActs, 3, 6),
	}
	if random.IntN(2) == 0 {
		o.customer = customer
	}
	return o
}

// play opens the order's first payment, and then lets backend and customer act at the same time.
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
			o.act(a)
		}
	})
	both.Go(func() {
		for _, a := range o.shopper {
			a.wait()
			o.shop(a)
		}
	})
	both.Wait()
}

// wait lets chance decide who is first.
func (a drawnAct) wait() { time.Sleep(time.Duration(a.any>>16%25) * time.Millisecond) }

// note keeps what was done, for the report of a failure.
func (o *mixedOrder) note(format string, values ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, fmt.Sprintf(format, values...))
}

// body is the body of a create, or of a token, at the order's terms.
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

// create creates the order's payment, and keeps the returned one.
func (o *mixedOrder) create(replica uint64, credential, body string) {
	a := o.change(replica, credential, http.MethodPost, "/v1/payments", body, nil)
	if a.status == http.StatusOK || a.status == http.StatusCreated {
		o.mu.Lock()
		o.handed = a.view(o.t)
		o.mu.Unlock()
	}
}

// change asks for a change of the order.
func (o *mixedOrder) change(replica uint64, credential, method, path, body string, header map[string]string) answer {
	a, known := o.send(replica, credential, method, path, body, header)
	o.note("%s %s %s: %d %.200s", method, path, body, a.status, a.body)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = !known || (o.open && a.status >= http.StatusBadRequest)
	o.opened = o.opened || o.open
	return a
}

// newest is the newest payment that was handed out.
func (o *mixedOrder) newest() view {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.handed
}

// act is what a backend does.
func (o *mixedOrder) act(a drawnAct) {
	v := o.newest()
	path := "/v1/payments/" + v.PaymentIntent
	switch a.name {
	case "create":
		o.create(a.any, backendKey, o.body(""))
		return
	case "reopen":
		o.create(a.any, backendKey, o.body(`,"reopen":true`))
		return
	case "new price", "currency":
		o.reprice(a)
		return
	case "old token":
		if len(o.tokens) > 0 {
			o.create(a.any, o.tokens[a.any%uint64(len(o.tokens))], "")
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
		o.change(a.any, backendKey, http.MethodPost, path+"/cancel", "", nil)
	case "capture":
		body := ""
		if a.any%3 == 0 {
			body = `{"amount":700}`
		}
		o.change(a.any, backendKey, http.MethodPost, path+"/capture", body, nil)
	case "refund":
		body := ""
		if a.any%3 != 0 {
			body = fmt.Sprintf(`{"amount":%d}`, 1+a.amount/20)
		}
		key := map[string]string{"Idempotency-Key": fmt.Sprintf("refund-%s-%d", o.id, a.any)}
		o.change(a.any, backendKey, http.MethodPost, path+"/refunds", body, key)
	}
}

// reprice mints a token with another price or currency, and presents it, unless the page is closed before.
func (o *mixedOrder) reprice(a drawnAct) {
	o.mu.Lock()
	o.amount = a.amount
	if a.name == "currency" {
		o.currency = []string{"eur", "usd", "gbp"}[a.any%3]
	}
	o.mu.Unlock()
	minted := o.change(a.any, backendKey, http.MethodPost, "/v1/order-tokens", o.body(""), nil)
	var token struct{ Token string }
	if minted.status != http.StatusCreated || json.Unmarshal(minted.body, &token) != nil {
		return
	}
	o.tokens = append(o.tokens, token.Token)
	if a.any%5 != 0 {
		o.create(a.any>>8, token.Token, "")
	}
}

// patch sets the amount of the payment as its newest version shows it.
func (o *mixedOrder) patch(a drawnAct, v view) {
	path := "/v1/payments/" + v.PaymentIntent
	seen, known := o.send(a.any>>8, backendKey, http.MethodGet, path, "", nil)
	if !known || seen.status != http.StatusOK {
		return
	}
	version := map[string]string{"If-Match": fmt.Sprintf("%q", fmt.Sprint(seen.view(o.t).Version))}
	changed := o.change(a.any, backendKey, http.MethodPatch, path, fmt.Sprintf(`{"amount":%d}`, a.amount), version)
	if changed.status == http.StatusOK || changed.status == 0 {
		o.mu.Lock()
		o.amount = a.amount
		o.mu.Unlock()
	}
}

// shop is what a customer does with the newest payment, or the customer's bank. Stripe refuses some of it.
func (o *mixedOrder) shop(a drawnAct) {
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
			"client_secret": {v.ClientSecret}, "payment_method": {a.name}, "return_url": {
				"https://shop.example/thanks",
			},
		}
		header := map[string]string{
			"Authorization": "Bearer " + publishableKey, "Content-Type": "application/x-www-form-urlencoded",
		}
		var said answer
		said, err = call(o.t.Context(), o.client, http.MethodPost,
			o.stripe+"/v1/payment_intents/"+v.PaymentIntent+"/confirm", header, form.Encode())
		o.note("customer: %s on %s: %d (%v)", a.name, v.PaymentIntent, said.status, err)
		return
	}
	o.note("customer: %s on %s: %v", a.name, v.PaymentIntent, err)
}

package testenv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"time"

	"kasse/service/stripe/stripesim"
)

const (
	stripeKey      = "sk_test_testenv1234567890"
	publishableKey = "pk_test_testenv1234567890"
	hookSecret     = "whsec_testenv_abcdef_1234567890"

	// BackendKey is a service key with all scopes.
	BackendKey = "ksk_testenv_backend_abcdefghijklmnopqrstuvwxyz1234"
)

// StripeBackend is the simulated Stripe. Tests call it directly, so that injected faults do not affect their calls.
type StripeBackend struct {
	Sim    *stripesim.Server
	HTTP   *httptest.Server
	client *http.Client
}

// subscribed are the event types of Kasse's webhook endpoint.
var subscribed = []string{
	"payment_intent.*", "charge.refunded", "charge.refund.updated", "refund.*", "charge.dispute.*",
}

// NewStripeBackend starts a Stripe that posts its events to the URL. It sends some events twice, the second
// with another id.
func NewStripeBackend(seed uint64, webhookURL string) *StripeBackend {
	sim := stripesim.New(stripesim.Options{
		Seed: seed, Duplicate: 0.2,
		Settle:   1000 * time.Hour, // longer than any run: the tests settle debits themselves
		Webhooks: []stripesim.Webhook{{URL: webhookURL, Secret: hookSecret, Events: subscribed}},
	})
	server := httptest.NewServer(sim)
	return &StripeBackend{Sim: sim, HTTP: server, client: server.Client()}
}

// Close stops the server.
func (b *StripeBackend) Close() {
	b.Sim.Close()
	b.HTTP.Close()
}

// call calls the simulator's API and decodes the response.
func (b *StripeBackend) call(ctx context.Context, method, path string, form url.Values, into any) error {
	header := map[string]string{
		"Authorization": "Bearer " + stripeKey, "Content-Type": "application/x-www-form-urlencoded",
	}
	a, err := Call(ctx, b.client, method, b.HTTP.URL+path, header, form.Encode())
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("the simulator answered %d to %s: %s", a.Status, path, a.Body)
	}
	return json.Unmarshal(a.Body, into)
}

// Intent is a PaymentIntent in Stripe's form.
type Intent struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	Amount         int64             `json:"amount"`
	AmountReceived int64             `json:"amount_received"`
	Metadata       map[string]string `json:"metadata"`
	LastError      *struct{}         `json:"last_payment_error"`
}

// State returns Kasse's state for the PaymentIntent's status.
func (i Intent) State() string {
	if i.Status == "requires_payment_method" && i.LastError != nil {
		return "failed"
	}
	return map[string]string{
		"requires_payment_method": "pending", "requires_action": "action_required", "processing": "processing",
		"requires_capture": "authorized", "succeeded": "paid", "canceled": "canceled",
	}[i.Status]
}

// Open creates an order's PaymentIntent as another replica of Kasse would, without a trace in this Kasse's Redis.
func (b *StripeBackend) Open(ctx context.Context, h OrderPlan) (string, error) {
	method := "automatic_async"
	if h.Manual {
		method = "manual"
	}
	var pi Intent
	err := b.call(ctx, http.MethodPost, "/v1/payment_intents", url.Values{
		"amount": {strconv.FormatInt(h.Amount, 10)}, "currency": {"eur"}, "capture_method": {method},
		"automatic_payment_methods[enabled]": {"true"},
		"metadata[kasse_service]":            {"kasse"}, "metadata[kasse_order_id]": {h.Order},
		"metadata[kasse_attempt]": {"1"}, "metadata[kasse_rev]": {"1700000000000"},
	}, &pi)
	return pi.ID, err
}

// Customer creates a customer.
func (b *StripeBackend) Customer(ctx context.Context) (string, error) {
	var customer struct{ ID string }
	err := b.call(ctx, http.MethodPost, "/v1/customers", url.Values{"email": {"ada@example.com"}}, &customer)
	return customer.ID, err
}

// statuses maps a step to the PaymentIntent's status after it.
var statuses = map[Step]string{
	Pay: "succeeded", Decline: "requires_payment_method", Challenge: "requires_action", Debit: "processing",
	Cancel: "canceled", Authorize: "requires_capture", Capture: "succeeded",
}

// Apply applies one step to a payment.
func (b *StripeBackend) Apply(ctx context.Context, payment string, s Step, amount int64) error {
	switch s {
	case Agree, Disagree:
		return b.Sim.Authenticate(payment, s == Agree)
	case Settle, Bounce:
		return b.Sim.Settle(payment, s == Settle)
	case Part:
		form := url.Values{"amount_to_capture": {strconv.FormatInt(amount/2, 10)}}
		return b.call(ctx, http.MethodPost, "/v1/payment_intents/"+payment+"/capture", form, &Intent{})
	case Refund, Half:
		_, err := b.Sim.Refund(payment, map[Step]int64{Half: amount / 2}[s])
		return err
	case Unrefund:
		id, err := b.newest(ctx, "/v1/refunds", payment)
		return errors.Join(err, b.Sim.MoveRefund(id, "failed"))
	case Dispute:
		_, err := b.Sim.OpenDispute(payment, "", false)
		return err
	case Win, Lose:
		id, err := b.newest(ctx, "/v1/disputes", payment)
		return errors.Join(err, b.Sim.MoveDispute(id, map[Step]string{Win: "won", Lose: "lost"}[s]))
	default:
		return b.Sim.SetStatus(payment, statuses[s])
	}
}

// newest returns the id of the payment's newest refund or dispute.
func (b *StripeBackend) newest(ctx context.Context, list, payment string) (string, error) {
	var page struct{ Data []struct{ ID string } }
	if err := b.call(ctx, http.MethodGet, list+"?limit=1&payment_intent="+payment, nil, &page); err != nil {
		return "", err
	}
	if len(page.Data) == 0 {
		return "", fmt.Errorf("%s of %s: there are none", list, payment)
	}
	return page.Data[0].ID, nil
}

// Event holds the members of a Stripe event that tests use.
type Event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Object Object `json:"object"`
	} `json:"data"`
}

// Object is the object of an event: a PaymentIntent, or its charge, refund or dispute.
type Object struct {
	Intent
	Kind    string `json:"object"`
	Payment string `json:"payment_intent"`
}

// PaymentID is the id of the event's payment.
func (e Event) PaymentID() string { return cmp.Or(e.Data.Object.Payment, e.Data.Object.ID) }

// Chains returns each payment's events, oldest first.
func (b *StripeBackend) Chains(ctx context.Context) (map[string][]Event, error) {
	all, err := pages[Event](ctx, b, "/v1/events?limit=100&type=payment_intent.*", func(e Event) string { return e.ID })
	chains := map[string][]Event{}
	for _, e := range slices.Backward(all) {
		chains[e.PaymentID()] = append(chains[e.PaymentID()], e)
	}
	return chains, err
}

// Intents returns all PaymentIntents by order id.
func (b *StripeBackend) Intents(ctx context.Context) (map[string][]Intent, error) {
	all, err := pages[Intent](ctx, b, "/v1/payment_intents?limit=100", func(i Intent) string { return i.ID })
	orders := map[string][]Intent{}
	for _, pi := range all {
		order := pi.Metadata["kasse_order_id"]
		orders[order] = append(orders[order], pi)
	}
	return orders, err
}

// pages reads a whole list, newest first.
func pages[T any](ctx context.Context, b *StripeBackend, path string, id func(T) string) ([]T, error) {
	var all []T
	for after := ""; ; {
		var page struct {
			Data    []T
			HasMore bool `json:"has_more"`
		}
		if err := b.call(ctx, http.MethodGet, path+after, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all, nil
		}
		after = "&starting_after=" + id(all[len(all)-1])
	}
}

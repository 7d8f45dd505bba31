package main

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
	stripeKey      = "sk_test_chaos1234567890"
	publishableKey = "pk_test_chaos1234567890"
	hookSecret     = "whsec_chaos_1234567890"
	backendKey     = "ksk_chaos_backend_abcdefghijklmnopqrstuvwxyz"
)

// bank is the simulated Stripe, which knows the truth. No fault touches our own way to it.
type bank struct {
	sim    *stripesim.Server
	http   *httptest.Server
	client *http.Client
}

// subscribed are the events that an endpoint for Kasse is subscribed to.
var subscribed = []string{"payment_intent.*", "charge.refunded", "charge.refund.updated", "refund.*", "charge.dispute.*"}

// newBank starts a Stripe that sends its events to the mailbox. Some it makes twice, under another id.
func newBank(seed uint64, mailbox string) *bank {
	sim := stripesim.New(stripesim.Options{
		Seed: seed, Duplicate: 0.2, Settle: time.Hour, Webhooks: []stripesim.Webhook{{URL: mailbox, Secret: hookSecret, Events: subscribed}},
	})
	server := httptest.NewServer(sim)
	return &bank{sim: sim, http: server, client: server.Client()}
}

func (b *bank) close() {
	b.sim.Close()
	b.http.Close()
}

// ask calls the simulator's API, and decodes its answer.
func (b *bank) ask(ctx context.Context, method, path string, form url.Values, into any) error {
	header := map[string]string{"Authorization": "Bearer " + stripeKey, "Content-Type": "application/x-www-form-urlencoded"}
	a, err := call(ctx, b.client, method, b.http.URL+path, header, form.Encode())
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("the simulator answered %d to %s: %s", a.status, path, a.body)
	}
	return json.Unmarshal(a.body, into)
}

// intent is a PaymentIntent as Stripe shows it.
type intent struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	Amount         int64             `json:"amount"`
	AmountReceived int64             `json:"amount_received"`
	Metadata       map[string]string `json:"metadata"`
	LastError      *struct{}         `json:"last_payment_error"`
}

// state is the contract's word for it.
func (i intent) state() string {
	if i.Status == "requires_payment_method" && i.LastError != nil {
		return "failed"
	}
	return map[string]string{
		"requires_payment_method": "pending", "requires_action": "action_required", "processing": "processing", "requires_capture": "authorized",
		"succeeded": "paid", "canceled": "canceled",
	}[i.Status]
}

// open makes a PaymentIntent for an order, as a replica of Kasse would that lost all memory of it.
func (b *bank) open(ctx context.Context, h history) (string, error) {
	method := "automatic_async"
	if h.manual {
		method = "manual"
	}
	var pi intent
	err := b.ask(ctx, http.MethodPost, "/v1/payment_intents", url.Values{
		"amount": {strconv.FormatInt(h.amount, 10)}, "currency": {"eur"}, "capture_method": {method}, "automatic_payment_methods[enabled]": {"true"},
		"metadata[kasse_service]": {"kasse"}, "metadata[kasse_order_id]": {h.order}, "metadata[kasse_attempt]": {"1"}, "metadata[kasse_rev]": {"1700000000000"},
	}, &pi)
	return pi.ID, err
}

// statuses are what a step brings a payment to.
var statuses = map[step]string{
	pay: "succeeded", decline: "requires_payment_method", challenge: "requires_action", debit: "processing", cancel: "canceled", authorize: "requires_capture",
	capture: "succeeded",
}

// take does one step of a walk.
func (b *bank) take(ctx context.Context, payment string, s step, amount int64) error {
	switch s {
	case agree, disagree:
		return b.sim.Authenticate(payment, s == agree)
	case settle, bounce:
		return b.sim.Settle(payment, s == settle)
	case part:
		form := url.Values{"amount_to_capture": {strconv.FormatInt(amount/2, 10)}}
		return b.ask(ctx, http.MethodPost, "/v1/payment_intents/"+payment+"/capture", form, &intent{})
	case refund, half:
		_, err := b.sim.Refund(payment, map[step]int64{half: amount / 2}[s])
		return err
	case unrefund:
		id, err := b.newest(ctx, "/v1/refunds", payment)
		return errors.Join(err, b.sim.MoveRefund(id, "failed"))
	case dispute:
		_, err := b.sim.OpenDispute(payment, "", false)
		return err
	case win, lose:
		id, err := b.newest(ctx, "/v1/disputes", payment)
		return errors.Join(err, b.sim.MoveDispute(id, map[step]string{win: "won", lose: "lost"}[s]))
	default:
		return b.sim.SetStatus(payment, statuses[s])
	}
}

// newest is the newest refund or dispute of a payment.
func (b *bank) newest(ctx context.Context, list, payment string) (string, error) {
	var page struct{ Data []struct{ ID string } }
	if err := b.ask(ctx, http.MethodGet, list+"?limit=1&payment_intent="+payment, nil, &page); err != nil {
		return "", err
	}
	if len(page.Data) == 0 {
		return "", fmt.Errorf("%s of %s: there are none", list, payment)
	}
	return page.Data[0].ID, nil
}

// event is one of Stripe's, as far as it matters here.
type event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Object object `json:"object"`
	} `json:"data"`
}

// object is a PaymentIntent, or a charge, refund or dispute of one.
type object struct {
	intent
	Kind    string `json:"object"`
	Payment string `json:"payment_intent"`
}

// payment is the one that the event is about.
func (e event) payment() string { return cmp.Or(e.Data.Object.Payment, e.Data.Object.ID) }

// chains are the states that each payment went through, by its events, oldest first.
func (b *bank) chains(ctx context.Context) (map[string][]event, error) {
	all, err := pages[event](ctx, b, "/v1/events?limit=100&type=payment_intent.*", func(e event) string { return e.ID })
	chains := map[string][]event{}
	for _, e := range slices.Backward(all) {
		chains[e.payment()] = append(chains[e.payment()], e)
	}
	return chains, err
}

// intents are all PaymentIntents, by order.
func (b *bank) intents(ctx context.Context) (map[string][]intent, error) {
	all, err := pages[intent](ctx, b, "/v1/payment_intents?limit=100", func(i intent) string { return i.ID })
	orders := map[string][]intent{}
	for _, pi := range all {
		order := pi.Metadata["kasse_order_id"]
		orders[order] = append(orders[order], pi)
	}
	return orders, err
}

// pages reads a whole list, newest first.
func pages[T any](ctx context.Context, b *bank, path string, id func(T) string) ([]T, error) {
	var all []T
	for after := ""; ; {
		var page struct {
			Data    []T
			HasMore bool `json:"has_more"`
		}
		if err := b.ask(ctx, http.MethodGet, path+after, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all, nil
		}
		after = "&starting_after=" + id(all[len(all)-1])
	}
}

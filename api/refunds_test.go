package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// money is what a view says of it.
type money struct {
	State            string
	Version          int64
	Fulfillable      bool
	HoldReason       *string `json:"hold_reason"`
	AmountReceived   int64   `json:"amount_received"`
	AmountCapturable int64   `json:"amount_capturable"`
	AmountRefunded   int64   `json:"amount_refunded"`
	Dispute          *struct {
		ID, Status string
		Amount     int64
	}
}

// givenBack is the answer to a refund.
type givenBack struct {
	Refund struct {
		ID, Status string
		Amount     int64
		Reason     *string
		CreatedAt  string `json:"created_at"`
	}
	Payment money
}

func (w *world) refund(made opened, key, body string) reply {
	w.t.Helper()
	return w.send(request{
		line: "POST /v1/payments/" + made.PaymentIntent + "/refunds", token: fullKey, body: body,
		header: map[string]string{"Idempotency-Key": key},
	})
}

func (w *world) capture(made opened, body string) reply {
	w.t.Helper()
	return w.send(request{line: "POST /v1/payments/" + made.PaymentIntent + "/capture", token: fullKey, body: body})
}

// paid opens a payment and lets the customer pay.
func (w *world) paid(order string) opened {
	w.t.Helper()
	made := w.create(order)
	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	return made
}

// authorized opens a payment with manual capture that waits for it.
func (w *world) authorized(order string) opened {
	w.t.Helper()
	var made opened
	w.send(request{
		line: createLine, token: fullKey,
		body: fmt.Sprintf(`{"order_id":%q,"amount":4999,"currency":"eur","capture_method":"manual"}`, order),
	}).
		into(w.t, http.StatusCreated, &made)
	w.bring(made.PaymentIntent, "requires_capture")
	w.reach(made.PaymentIntent, "authorized")
	return made
}

// announced returns the types of a payment's events, oldest first.
func (w *world) announced(id string) (types []string) {
	w.t.Helper()
	var page struct {
		Events []struct{ ID, Type string }
	}
	w.send(request{line: "GET /v1/events", token: fullKey}).into(w.t, http.StatusOK, &page)
	for _, e := range page.Events {
		if strings.HasPrefix(e.ID, id+".") {
			types = append(types, e.Type)
		}
	}
	return types
}

func (w *world) checkTold(id string, want ...string) {
	w.t.Helper()
	if got := w.announced(id); !slices.Equal(got, want) {
		w.t.Errorf("announced %q, want %q", got, want)
	}
}

// settled waits until every event has been delivered.
func (w *world) settled() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.stripe.Drain(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// read asks Stripe for a payment, as the worker would.
func (w *world) read(made opened) {
	w.t.Helper()
	if err := w.service.Read(w.t.Context(), payment.ID(made.PaymentIntent)); err != nil {
		w.t.Fatal(err)
	}
}

func TestCapture(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.authorized("shop-1")
	var got money
	w.capture(made, `{"amount":5000}`).says(t, http.StatusUnprocessableEntity, "amount_out_of_range")
	answer := w.capture(made, `{"amount":3000}`)
	answer.into(t, http.StatusOK, &got)
	if got.State != "paid" || got.AmountReceived != 3000 || got.AmountCapturable != 0 || !got.Fulfillable ||
		answer.header.Get("ETag") != fmt.Sprintf(`"%d"`, got.Version) {
		t.Errorf("captured to %s", answer.body)
	}
	w.capture(made, `{"amount":3000}`).into(t, http.StatusOK, &got)
	for _, body := range []string{`{}`, ``} { // all that could be captured: nothing more
		w.capture(made, body).into(t, http.StatusOK, &got)
	}
	for _, body := range []string{`{"amount":2000}`, `{"amount":4999}`} {
		if refused := w.capture(made, body).says(
			t, http.StatusConflict, "invalid_state",
		); !strings.Contains(refused.body, `"amount_received":3000`) {
			t.Errorf("it does not show the payment: %s", refused.body)
		}
	}
	var list struct{ Refunds []any }
	w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent + "/refunds", token: readKey},
	).into(t, http.StatusOK, &list)
	if view := w.reach(made.PaymentIntent, "paid"); len(list.Refunds) != 0 ||
		!strings.Contains(view.body, `"amount_refunded":0`) {
		t.Errorf("the release counts as a refund: %v %s", list, view.body)
	}
	w.checkTold(made.PaymentIntent, "order.authorized", "order.paid")
}

func TestCaptureOfAll(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.authorized("shop-1")
	var got money
	for range 2 {
		w.capture(made, "").into(t, http.StatusOK, &got)
	}
	if got.State != "paid" || got.AmountReceived != 4999 {
		t.Errorf("%+v", got)
	}
}

// TestCaptureTooLate: what the customer, a bank or another backend did first is the truth, and never a 500.
func TestCaptureTooLate(t *testing.T) {
	w := newWorld(t) // without webhooks: only the refusal shows it
	for name, test := range map[string]struct {
		status string
		state  string
	}{"canceled": {"canceled", "canceled"}, "captured": {"succeeded", "paid"}} {
		var made opened
		w.send(request{
			line: createLine, token: fullKey,
			body: fmt.Sprintf(`{"order_id":"shop-%s","amount":4999,"currency":"eur","capture_method":"manual"}`, name),
		}).
			into(t, http.StatusCreated, &made)
		w.capture(made, "").says(t, http.StatusConflict, "invalid_state") // nothing is authorised
		w.bring(made.PaymentIntent, "requires_capture")
		w.read(made)
		w.bring(made.PaymentIntent, test.status)
		answer := w.capture(made, `{"amount":1000}`).says(t, http.StatusConflict, "invalid_state")
		if !strings.Contains(answer.body, `"state":"`+test.state+`"`) {
			t.Errorf("%s: it does not show the truth: %s", name, answer.body)
		}
	}
}

func TestRefund(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.paid("shop-1")
	var part, again, rest givenBack
	answer := w.refund(made, "refund-1", `{"amount":1500,"reason":"requested_by_customer"}`)
	answer.into(t, http.StatusCreated, &part)
	if part.Refund.Amount != 1500 || *part.Refund.Reason != "requested_by_customer" ||
		!strings.HasPrefix(part.Refund.ID, "re_") || answer.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("refunded %s", answer.body)
	}
	if p := part.Payment; p.State != "partially_refunded" || p.AmountRefunded != 1500 || p.Fulfillable ||
		*p.HoldReason != "refunded" || answer.header.Get("ETag") != fmt.Sprintf(`"%d"`, p.Version) {
		t.Errorf("payment %+v", p)
	}
	repeat := w.refund(made, "refund-1", `{"reason":"requested_by_customer","amount":1500}`)
	repeat.into(t, http.StatusCreated, &again)
	if repeat.header.Get("Idempotent-Replayed") != "true" || again.Refund.ID != part.Refund.ID ||
		again.Payment.AmountRefunded != 1500 {
		t.Errorf("repeated: %v %s", repeat.header, repeat.body)
	}
	w.refund(made, "refund-1", `{"amount":1500}`).says(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	w.refund(made, "refund-1", ``).says(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	w.refund(made, "refund-2", `{"amount":3500}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	w.refund(made, "refund-3", ``).into(t, http.StatusCreated, &rest)
	if rest.Refund.Amount != 3499 || rest.Refund.Reason != nil || rest.Payment.State != "refunded" {
		t.Errorf("the rest: %+v", rest)
	}
	w.refund(made, "refund-4", ``).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	var list struct{ Refunds []struct{ ID string } }
	w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent + "/refunds", token: readKey},
	).into(t, http.StatusOK, &list)
	if len(list.Refunds) != 2 {
		t.Errorf("listed %+v", list)
	}
	w.checkTold(made.PaymentIntent, "order.paid", "order.partially_refunded", "order.refunded")
	if n := w.stripe.Count("POST /v1/refunds"); n != 2 {
		t.Errorf("%d refunds were asked for", n)
	}
}

// TestRefundsAtOnce: a refund waits while another refund of the payment is in progress, and one key makes one refund.
func TestRefundsAtOnce(t *testing.T) {
	w := newWorld(t)
	made := w.paidUnseen()
	var all sync.WaitGroup
	answers := make([]reply, 8)
	for i := range answers {
		all.Go(func() { answers[i] = w.refund(made, fmt.Sprintf("refund-%d", i%2), `{"amount":1000}`) })
	}
	all.Wait()
	ids := map[string]bool{}
	for _, answer := range answers {
		var got givenBack
		answer.into(t, http.StatusCreated, &got)
		ids[got.Refund.ID] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d refunds for two keys", len(ids))
	}
}

// paidUnseen is paid without a webhook: only a read shows it.
func (w *world) paidUnseen() opened {
	w.t.Helper()
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, "succeeded")
	w.read(made)
	return made
}

// TestRefundThatWasLost: the answer did not come, and the caller asks again, with the same key or, having forgotten it,
// with another.
func TestRefundThatWasLost(t *testing.T) {
	w := newWorld(t)
	made := w.paidUnseen()
	lose := func(key, body string) {
		if err := w.stripe.AddFault(
			stripesim.Fault{Endpoint: "POST /v1/refunds", Kind: stripesim.Dropped, After: true, Times: -1},
		); err != nil {
			t.Fatal(err)
		}
		defer w.stripe.ClearFaults()
		w.refund(made, key, body).says(t, http.StatusServiceUnavailable, "stripe_unavailable")
	}
	lose("refund-1", `{"amount":1000}`)
	var got givenBack
	w.refund(made, "refund-1", `{"amount":1000}`).into(t, http.StatusCreated, &got)
	if got.Payment.AmountRefunded != 1000 {
		t.Errorf("again: %+v", got)
	}
	lose("refund-2", `{"amount":3000}`)
	w.refund(made, "refund-3", `{"amount":1000}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	replay := w.refund(made, "refund-2", `{"amount":3000}`)
	replay.into(t, http.StatusCreated, &got)
	if got.Payment.AmountRefunded != 4000 || replay.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("found by the list: %s", replay.body)
	}
	w.refund(made, "refund-4", ``).into(t, http.StatusCreated, &got)
	if got.Refund.Amount != 999 {
		t.Errorf("the rest: %+v", got)
	}
}

// TestRefundBehindOurBack: somebody refunds in Stripe's dashboard, and no webhook has come.
func TestRefundBehindOurBack(t *testing.T) {
	w := newWorld(t)
	made := w.paidUnseen()
	if _, err := w.stripe.Refund(made.PaymentIntent, 4000); err != nil {
		t.Fatal(err)
	}
	answer := w.refund(made, "refund-1", `{"amount":2000}`).says(
		t, http.StatusUnprocessableEntity, "refund_exceeds_payment",
	)
	if !strings.Contains(answer.body, `"amount_refunded":4000`) {
		t.Errorf("it does not show the truth: %s", answer.body)
	}
	var got givenBack
	w.refund(made, "refund-1", `{"amount":2000}`).says(t, http.StatusUnprocessableEntity, "refund_exceeds_payment")
	w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
	if got.Refund.Amount != 999 || got.Payment.State != "refunded" {
		t.Errorf("%+v", got)
	}
}

func TestRefundThatFailsLater(t *testing.T) {
	w := newWorld(t)
	w.deliverWebhooks()
	made := w.paid("shop-1")
	var got givenBack
	w.refund(made, "refund-1", ``).into(t, http.StatusCreated, &got)
	if err := w.stripe.MoveRefund(got.Refund.ID, "failed"); err != nil {
		t.Fatal(err)
	}
	if view := w.reach(made.PaymentIntent, "paid"); !strings.Contains(view.body, `"amount_refunded":0`) ||
		!strings.Contains(view.body, `"fulfillable":true`) {
		t.Errorf("%s", view.body)
	}
	w.checkTold(made.PaymentIntent, "order.paid", "order.refunded", "order.refund_failed")
	again := w.refund(made, "refund-1", ``)
	again.into(t, http.StatusCreated, &got)
	if got.Refund.Status == "failed" || got.Payment.State != "paid" {
		t.Errorf("a repeat is the same answer: %s", again.body)
	}
	w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
	if got.Payment.State != "refunded" {
		t.Errorf("%+v", got)
	}
}

func TestDisputes(t *testing.T) {
	for name, test := range map[string]struct {
		inquiry   bool
		moves     []string
		states    []string
		announced []string
	}{
		"lost": {
			false,
			[]string{"under_review", "lost"},
			[]string{"disputed", "disputed", "charged_back"},
			[]string{"order.paid", "order.disputed", "order.updated", "order.charged_back"},
		},
		"won": {
			false,
			[]string{"won"},
			[]string{"disputed", "paid"},
			[]string{"order.paid", "order.disputed", "order.dispute_won"},
		},
		"an inquiry": {true, nil, []string{"paid"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deliverWebhooks()
			made := w.paid("shop-1")
			id, err := w.stripe.OpenDispute(made.PaymentIntent, "", test.inquiry)
			if err != nil {
				t.Fatal(err)
			}
			w.settled()
			for i, state := range test.states {
				view := w.reach(made.PaymentIntent, state)
				if !strings.Contains(
					view.body, `"dispute":{"id":"`+id,
				) || strings.Contains(view.body, `"fulfillable":true`) != (state == "paid") {
					t.Errorf("%s: %s", state, view.body)
				}
				if i < len(test.moves) {
					// A dispute moves once in days. Within one second the order is unknown: see the merge.
					w.stripe.Advance(10 * time.Second)
					if err := w.stripe.MoveDispute(id, test.moves[i]); err != nil {
						t.Fatal(err)
					}
					w.settled()
				}
			}
			if secret := w.send(
				request{line: "GET /v1/payments/" + made.PaymentIntent, token: made.ClientSecret},
			); strings.Contains(secret.body, "dispute\"") {
				t.Errorf("the holder of the client secret sees %s", secret.body)
			}
			if test.announced != nil {
				w.checkTold(made.PaymentIntent, test.announced...)
			}
		})
	}
}

// TestRefundsThatAreNone: a refusal leaves nothing behind, here or at Stripe.
func TestRefundsThatAreNone(t *testing.T) {
	w := newWorld(t)
	open, made := w.create("shop-2"), w.paidUnseen()
	line := "POST /v1/payments/" + made.PaymentIntent + "/refunds"
	key := map[string]string{"Idempotency-Key": "refund-1"}
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, r := range []refused{
		{
			name: "no key", line: line, body: `{"amount":1}`, status: 428, code: "idempotency_key_required",
			where: []string{"Idempotency-Key"},
		},
		{
			name: "no key, nothing else right", line: line, body: `{`, status: 428,
			code: "idempotency_key_required", where: []string{"Idempotency-Key"},
		},
		{
			name: "a key with a space", line: line, header: map[string]string{"Idempotency-Key": "a b"},
			status: 400, code: "invalid_request", where: []string{"Idempotency-Key"},
		},
		{
			name: "a long key", line: line, header: map[string]string{"Idempotency-Key": strings.Repeat("k", 256)},
			status: 400, code: "invalid_request", where: []string{"Idempotency-Key"},
		},
		{
			name: "no amount", line: line, body: `{"amount":0}`, header: key, status: 422,
			code: "amount_out_of_range", where: []string{"/amount"},
		},
		{
			name: "less", line: line, body: `{"amount":-1}`, header: key, status: 422, code: "amount_out_of_range",
			where: []string{"/amount"},
		},
		{
			name: "text", line: line, body: `{"amount":"1"}`, header: key, status: 400, code: "invalid_request",
			where: []string{"/amount"},
		},
		{
			name: "a fraction", line: line, body: `{"amount":1.5}`, header: key, status: 400,
			code: "invalid_request", where: []string{"/amount"},
		},
		{
			name: "unknown reason", line: line, body: `{"reason":"tired"}`, header: key, status: 400,
			code: "invalid_request", where: []string{"/reason"},
		},
		{
			name: "unknown member", line: line, body: `{"currency":"eur"}`, header: key, status: 400,
			code: "invalid_request", where: []string{"/currency"},
		},
		{
			name: "more than there is", line: line, body: `{"amount":5000}`, header: key, status: 422,
			code: "refund_exceeds_payment",
		},
		{
			name: "nothing was paid", line: "POST /v1/payments/" + open.PaymentIntent + "/refunds", header: key,
			status: 409, code: "invalid_state",
		},
		{
			name: "capture of text", line: "POST /v1/payments/" + open.PaymentIntent + "/capture",
			body: `{"amount":"1"}`, status: 400, code: "invalid_request", where: []string{"/amount"},
		},
		{
			name: "capture of nothing", line: "POST /v1/payments/" + open.PaymentIntent + "/capture",
			body: `{"amount":0}`, status: 422, code: "amount_out_of_range", where: []string{"/amount"},
		},
		{
			name: "capture of what is not authorised",
			line: "POST /v1/payments/" + open.PaymentIntent + "/capture", status: 409, code: "invalid_state",
		},
		{
			name: "an id for a path", line: "POST /v1/payments/pi-x/refunds", header: key, status: 400,
			code: "invalid_request", where: []string{"payment_intent"},
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			r.token, w.t = fullKey, t
			w.checkRefusal(r)
		})
	}
	w.t = t
	if got := w.stripe.Requests(); len(got) != calls {
		t.Errorf("Stripe was asked: %+v", got[calls:])
	}
	if got := w.dump(); got != dump {
		t.Errorf("Redis was\n%s\nand is\n%s", dump, got)
	}
	w.send(
		request{line: "POST /v1/payments/pi_nothing/refunds", token: fullKey, header: key},
	).says(t, http.StatusNotFound, "not_found")
	w.send(
		request{line: "GET /v1/payments/pi_nothing/refunds", token: fullKey},
	).says(t, http.StatusNotFound, "not_found")
}

// TestRefundThatStripeRefuses: a definite refusal is not retryable, and a repeat under its key gets it again, also
// where another amount is left meanwhile. A new key is a new call.
func TestRefundThatStripeRefuses(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"balance_insufficient": {http.StatusConflict, "balance_insufficient"},
		"brand_new":            {http.StatusBadGateway, "stripe_error"},
	} {
		t.Run(code, func(t *testing.T) {
			w := newWorld(t)
			made := w.paidUnseen()
			w.stripe.RefuseRefund(code)
			refused := func() {
				t.Helper()
				answer := w.refund(made, "refund-1", ``).says(t, want.status, want.code)
				if !strings.Contains(answer.body, `"retryable":false`) {
					t.Errorf("retryable: %s", answer.body)
				}
			}
			refused()
			if _, err := w.stripe.Refund(made.PaymentIntent, 999); err != nil {
				t.Fatal(err)
			}
			w.read(made)
			refused()
			refused()
			w.refund(made, "refund-1", `{"amount":1000}`).says(
				t, http.StatusUnprocessableEntity, "idempotency_key_reused",
			)
			var got givenBack
			w.refund(made, "refund-2", ``).into(t, http.StatusCreated, &got)
			if got.Refund.Amount != 4000 {
				t.Errorf("refunded %+v", got)
			}
		})
	}
}

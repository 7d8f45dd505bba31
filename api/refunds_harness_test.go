package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
)

// money holds a view's sums.
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

func (w *apiEnv) refund(made opened, key, body string) reply {
	w.t.Helper()
	return w.send(request{
		line: "POST /v1/payments/" + made.PaymentIntent + "/refunds", token: fullKey, body: body,
		header: map[string]string{"Idempotency-Key": key},
	})
}

func (w *apiEnv) capture(made opened, body string) reply {
	w.t.Helper()
	return w.send(request{line: "POST /v1/payments/" + made.PaymentIntent + "/capture", token: fullKey, body: body})
}

// paid opens a payment and lets the customer pay.
func (w *apiEnv) paid(order string) opened {
	w.t.Helper()
	made := w.create(order)
	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	return made
}

// authorized opens a payment with manual capture that waits for it.
func (w *apiEnv) authorized(order string) opened {
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
func (w *apiEnv) announced(id string) (types []string) {
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

func (w *apiEnv) checkAnnounced(id string, want ...string) {
	w.t.Helper()
	if got := w.announced(id); !slices.Equal(got, want) {
		w.t.Errorf("announced %q, want %q", got, want)
	}
}

// settled waits until every event has been delivered.
func (w *apiEnv) settled() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := w.stripe.Drain(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// read asks Stripe for a payment, as the worker would.
func (w *apiEnv) read(made opened) {
	w.t.Helper()
	if err := w.service.Read(w.t.Context(), payment.ID(made.PaymentIntent)); err != nil {
		w.t.Fatal(err)
	}
}

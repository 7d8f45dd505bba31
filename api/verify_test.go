package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/test/wait"
)

// forge posts a success as an attacker with the webhook secret can.
func (w *apiEnv) forge(id, event, order string, attempt int) {
	w.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":"payment_intent.succeeded","created":%d,"livemode":false,`+
		`"data":{"object":`+
		`{"id":%q,"object":"payment_intent","status":"succeeded","amount":4999,"amount_received":4999,`+
		`"currency":"eur","created":%d,`+
		`"livemode":false,"capture_method":"automatic_async","metadata":{"kasse_service":"kasse",`+
		`"kasse_order_id":%q,"kasse_attempt":"%d"}}}}`,
		event, time.Now().Unix(), id, time.Now().Unix(), order, attempt)
	if answer := w.send(
		request{line: "POST /webhooks/stripe", body: body, header: signed(body)},
	); !strings.Contains(answer.body, `"applied"`) {
		w.t.Fatalf("the forged event: %d %s", answer.status, answer.body)
	}
}

// shownPayment is the part of a view that shows whether the goods may be shipped.
type shownPayment struct {
	State       string
	Fulfillable bool
	HoldReason  *string `json:"hold_reason"`
}

func (p shownPayment) String() string {
	if p.HoldReason != nil {
		return p.State + " " + *p.HoldReason
	}
	return fmt.Sprintf("%s fulfillable=%t", p.State, p.Fulfillable)
}

// becomes polls until the payment is shown as wanted.
func (w *apiEnv) becomes(id, want string) {
	w.t.Helper()
	for deadline := time.Now().Add(wait.Patience); ; time.Sleep(10 * time.Millisecond) {
		var shown shownPayment
		w.send(request{line: "GET /v1/payments/" + id, token: fullKey}).into(w.t, http.StatusOK, &shown)
		if shown.String() == want {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("shown as %s, want %s; Stripe was asked %d times", shown, want, w.stripe.Count(readIntent))
		}
	}
}

// asked waits until a payment has been read at Stripe again.
func (w *apiEnv) asked(before int) {
	w.t.Helper()
	for deadline := time.Now().Add(wait.Patience); w.stripe.Count(readIntent) <= before ||
		w.queued("reads") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("Stripe was not asked")
		}
	}
}

const deniedLine = "Stripe does not show a success that a webhook reported"

// TestForgedSuccess: an attacker with a leaked webhook secret reports an order as paid. Then the customer
// really pays.
func TestForgedSuccess(t *testing.T) {
	const held, open = "paid unverified", "paid fulfillable=true"
	for mode, want := range map[payment.Verification]struct {
		atOnce, inTheEnd string
		announced        []string // after the forged success; and after the true one
		announcedAfter   []string
	}{
		payment.VerifyOff:          {open, open, []string{"order.paid"}, nil},
		payment.VerifyInBackground: {"", held, []string{"order.paid", "order.updated"}, []string{"order.updated"}},
		payment.VerifyBefore:       {held, held, []string{"order.held"}, []string{"order.paid"}},
	} {
		t.Run(string(mode), func(t *testing.T) {
			w := newEnv(t, func(o *service.Options) { o.Verification = mode })
			made := w.create("shop-1")
			reads := w.stripe.Count(readIntent)
			w.forge(made.PaymentIntent, "evt_forged", "shop-1", 1)
			if want.atOnce != "" {
				w.becomes(made.PaymentIntent, want.atOnce)
			}
			if mode != payment.VerifyOff {
				w.asked(reads)
			}
			w.becomes(made.PaymentIntent, want.inTheEnd)
			w.checkAnnounced(made.PaymentIntent, want.announced...)
			if alarmed := strings.Contains(w.logs.String(), deniedLine); alarmed != (mode != payment.VerifyOff) {
				t.Errorf("alarmed: %t", alarmed)
			}
			w.deliverWebhooks()
			w.bring(made.PaymentIntent, "succeeded")
			w.becomes(made.PaymentIntent, open)
			w.checkAnnounced(made.PaymentIntent, slices.Concat(want.announced, want.announcedAfter)...)
		})
	}
}

// TestTrueSuccess: a success that Stripe confirms is paid, with one order.paid and at most one read.
func TestTrueSuccess(t *testing.T) {
	for mode, want := range map[payment.Verification]struct {
		reads     int
		announced []string
	}{
		payment.VerifyOff:          {0, []string{"order.paid"}},
		payment.VerifyInBackground: {1, []string{"order.paid"}},
		payment.VerifyBefore:       {1, []string{"order.held", "order.paid"}},
	} {
		t.Run(string(mode), func(t *testing.T) {
			w := newEnv(t, func(o *service.Options) { o.Verification = mode })
			w.deliverWebhooks()
			made := w.create("shop-1")
			reads := w.stripe.Count(readIntent)
			w.bring(made.PaymentIntent, "succeeded")
			if want.reads > 0 {
				w.asked(reads)
			}
			w.becomes(made.PaymentIntent, "paid fulfillable=true")
			w.checkAnnounced(made.PaymentIntent, want.announced...)
			if got := w.stripe.Count(readIntent) - reads; got != want.reads {
				t.Errorf("Stripe was asked %d times, want %d", got, want.reads)
			}
			if strings.Contains(w.logs.String(), deniedLine) {
				t.Error("an alarm of a true success")
			}
		})
	}
}

// TestForgedPaymentIntent: a forged success of a PaymentIntent that Stripe does not know is held, too.
func TestForgedPaymentIntent(t *testing.T) {
	for _, mode := range []payment.Verification{payment.VerifyInBackground, payment.VerifyBefore} {
		t.Run(string(mode), func(t *testing.T) {
			w := newEnv(t, func(o *service.Options) { o.Verification = mode })
			made := w.create("shop-1")
			w.forge("pi_invented", "evt_forged", "shop-1", 2)
			w.becomes("pi_invented", "paid unverified")
			w.becomes(made.PaymentIntent, "canceled fulfillable=false") // it made way for the winner
		})
	}
}

// TestFutureEventBlocksNothing: an event of the year 2286 leaves its order to be paid.
func TestFutureEventBlocksNothing(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	body := fmt.Sprintf(`{"id":"evt_2286","object":"event","type":"payment_intent.canceled","created":9999999999,`+
		`"livemode":false,"data":{"object":`+
		`{"id":%q,"object":"payment_intent","status":"canceled","amount":4999,"currency":"eur","created":1,`+
		`"livemode":false,`+
		`"metadata":{"kasse_service":"kasse","kasse_order_id":"shop-1","kasse_attempt":"1"}}}}`, made.PaymentIntent)
	if answer := w.send(
		request{line: "POST /webhooks/stripe", body: body, header: signed(body)},
	); !strings.Contains(answer.body, "quarantined") {
		t.Fatalf("answer is %d %s", answer.status, answer.body)
	}
	w.deliverWebhooks()
	w.bring(made.PaymentIntent, "succeeded")
	w.becomes(made.PaymentIntent, "paid fulfillable=true")
	w.checkAnnounced(made.PaymentIntent, "order.paid")
}

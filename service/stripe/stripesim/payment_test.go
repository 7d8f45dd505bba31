package stripesim_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestConfirmedWithACard(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	expect(t, "status", pi.Status, stripe.PaymentIntentStatusRequiresPaymentMethod)

	paid := must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(t)
	expect(t, "status", paid.Status, stripe.PaymentIntentStatusSucceeded)
	expect(t, "received", paid.AmountReceived, 2000)

	charge := b.get(pi.ID).LatestCharge
	expect(t, "captured", charge.Captured, true)
	expect(t, "brand", charge.PaymentMethodDetails.Card.Brand, stripe.PaymentMethodCardBrandVisa)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
}

func TestDeclinedThenPaid(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	_, err := b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa_chargeDeclinedInsufficientFunds"))
	f := refusal(t, err)
	expect(t, "http status", f.HTTPStatusCode, 402)
	expect(t, "code", f.Code, stripe.ErrorCodeCardDeclined)
	expect(t, "decline code", f.DeclineCode, stripe.DeclineCodeInsufficientFunds)
	expect(t, "status inside the error", f.PaymentIntent.Status, stripe.PaymentIntentStatusRequiresPaymentMethod)
	expect(t, "charge of the failure", f.PaymentIntent.LastPaymentError.ChargeID, f.PaymentIntent.LatestCharge.ID)

	updated := must(b.api.PaymentIntents.Update(pi.ID, &stripe.PaymentIntentParams{Amount: stripe.Int64(1500)}))(t)
	if updated.LastPaymentError != nil {
		t.Error("an update must clear last_payment_error")
	}
	must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_mastercard")))(t)
	wantEvents(t, b, "payment_intent.created", "charge.failed", "payment_intent.payment_failed", "charge.succeeded",
		"payment_intent.succeeded")
}

func TestDebitsSettle(t *testing.T) {
	for _, tt := range []struct {
		method, currency string
		end              stripe.PaymentIntentStatus
	}{
		{"pm_sepaDebit", "eur", stripe.PaymentIntentStatusSucceeded},
		{"pm_failed_at", "eur", stripe.PaymentIntentStatusRequiresPaymentMethod},
		{"pm_usBankAccount_success", "usd", stripe.PaymentIntentStatusSucceeded},
		{"pm_usBankAccount_accountClosed", "usd", stripe.PaymentIntentStatusRequiresPaymentMethod},
	} {
		t.Run(tt.method, func(t *testing.T) {
			b := start(t, stripesim.Options{Settle: time.Hour})
			pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new(tt.currency) })
			waiting := must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith(tt.method)))(t)
			expect(t, "status", waiting.Status, stripe.PaymentIntentStatusProcessing)
			b.Advance(time.Hour)
			expect(t, "status", b.get(pi.ID).Status, tt.end)
			if tt.end == stripe.PaymentIntentStatusSucceeded {
				wantEvents(t, b, "payment_intent.created", "charge.pending", "payment_intent.processing",
					"charge.succeeded", "payment_intent.succeeded")
			} else {
				wantEvents(t, b, "payment_intent.created", "charge.pending", "payment_intent.processing",
					"charge.failed", "payment_intent.payment_failed")
			}
		})
	}
}

func TestPartialCaptureReleasesTheRest(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.authorise()
	expect(t, "capturable", pi.AmountCapturable, 2000)
	captured := must(b.api.PaymentIntents.Capture(pi.ID,
		&stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(1200)}))(t)
	expect(t, "received", captured.AmountReceived, 1200)
	charge := b.get(pi.ID).LatestCharge
	expect(t, "refunded", charge.AmountRefunded, 800)
	expect(t, "number of refunds", len(charge.Refunds.Data), 1)
	expect(t, "the refund", charge.Refunds.Data[0].Amount, 800)

	_, err := b.api.PaymentIntents.Capture(pi.ID, nil)
	expect(t, "code", refusal(t, err).Code, stripe.ErrorCodePaymentIntentUnexpectedState)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.amount_capturable_updated",
		"refund.created", "charge.captured", "payment_intent.succeeded")
}

func TestVoidIsARefundOfNothing(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.authorise()
	void := must(b.api.PaymentIntents.Cancel(pi.ID, nil))(t)
	expect(t, "status", void.Status, stripe.PaymentIntentStatusCanceled)
	expect(t, "received", void.AmountReceived, 0)
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.amount_capturable_updated",
		"refund.created", "charge.refunded", "payment_intent.canceled")
	for _, e := range b.receiver.events() {
		if e.Type == "charge.refunded" {
			expect(t, "captured", e.GetObjectValue("captured"), "false")
		}
	}
}

func TestAuthorisationExpires(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.authorise()
	before := b.get(pi.ID).LatestCharge.PaymentMethodDetails.Card.CaptureBefore
	expect(t, "days to capture", (before-b.get(pi.ID).Created)/86400, 7)
	b.Advance(8 * 24 * time.Hour)
	expect(t, "status", b.get(pi.ID).Status, stripe.PaymentIntentStatusCanceled)
}

// authorise opens a payment with manual capture, and authorises it with a card.
func (b *bench) authorise() *stripe.PaymentIntent {
	b.t.Helper()
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.CaptureMethod = new("manual") })
	return must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(b.t)
}

func TestUnexpectedStates(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	must(b.api.PaymentIntents.Cancel(pi.ID, nil))(t)
	for name, call := range map[string]func() error{
		"confirm": func() error {
			_, err := b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa"))
			return err
		},
		"capture": func() error { _, err := b.api.PaymentIntents.Capture(pi.ID, nil); return err },
		"cancel":  func() error { _, err := b.api.PaymentIntents.Cancel(pi.ID, nil); return err },
		"update": func() error {
			_, err := b.api.PaymentIntents.Update(pi.ID, &stripe.PaymentIntentParams{Amount: stripe.Int64(999)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := refusal(t, call())
			expect(t, "http status", f.HTTPStatusCode, 400)
			expect(t, "code", f.Code, stripe.ErrorCodePaymentIntentUnexpectedState)
			expect(t, "status inside the error", f.PaymentIntent.Status, stripe.PaymentIntentStatusCanceled)
		})
	}
}

// wantEvents fails the test unless the delivered events have these types.
func wantEvents(t *testing.T, b *bench, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.arrived()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

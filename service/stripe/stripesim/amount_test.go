package stripesim_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// TestAmountsThatFit: the greatest and the smallest amounts that Stripe documents are accepted.
// Source: https://docs.stripe.com/currencies.
func TestAmountsThatFit(t *testing.T) {
	b := start(t, stripesim.Options{})
	for i, form := range []string{
		"amount=999999999999&currency=idr", "amount=9999999999&currency=cop", "amount=999999999&currency=inr",
		"amount=99999999&currency=eur", "amount=50&currency=krw", "amount=5120&currency=kwd", "amount=500&currency=isk",
		"amount=500&currency=ugx", "amount=501&currency=mga", "amount=17501&currency=huf", "amount=501&currency=twd",
	} {
		if res, body := b.postForm(fmt.Sprint(i), intents, form); res.StatusCode != http.StatusOK {
			t.Errorf("%s: got status %d, %s", form, res.StatusCode, body)
		}
	}
}

// TestAmountsThatACurrencyDoesNotHave: an amount with decimals that its currency does not have is refused by every
// call.
func TestAmountsThatACurrencyDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		currency       string
		amount, reject int64
	}{{"kwd", 5120, 1005}, {"isk", 5000, 1050}, {"ugx", 500000, 1001}} {
		t.Run(c.currency, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			open := func(p *stripe.PaymentIntentParams) {
				p.Amount, p.Currency, p.CaptureMethod = new(c.amount), new(c.currency), new("manual")
			}
			pi := b.open(open)
			_, err := b.api.PaymentIntents.Update(pi.ID, &stripe.PaymentIntentParams{Amount: new(c.reject)})
			expect(t, "code of an update", string(refusal(t, err).Code), noDecimals)
			expect(t, "amount after it", b.get(pi.ID).Amount, c.amount)
			must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(t)
			_, err = b.api.PaymentIntents.Capture(
				pi.ID, &stripe.PaymentIntentCaptureParams{AmountToCapture: new(c.reject)},
			)
			expect(t, "code of a capture", string(refusal(t, err).Code), noDecimals)
			must(b.api.PaymentIntents.Capture(pi.ID, nil))(t)
			_, err = b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID), Amount: new(c.reject)})
			expect(t, "code of a refund", string(refusal(t, err).Code), noDecimals)
			must(b.api.Refunds.New(&stripe.RefundParams{PaymentIntent: new(pi.ID), Amount: new(c.amount / 10 * 5)}))(t)
		})
	}
}

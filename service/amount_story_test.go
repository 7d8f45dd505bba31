package service_test

import (
	"testing"

	"kasse/service/payment"
	"kasse/service/stripe/stripesim"
)

// TestAmountsOfCurrencies: an amount that Stripe does not accept in a currency is refused without a call to
// Stripe. All others are accepted.
func TestAmountsOfCurrencies(t *testing.T) {
	s := newShop(t)
	in := func(currency string, amount int64, capture payment.CaptureMethod) payment.CreateRequest {
		r := order("order-"+currency, s.customer, amount)
		r.Terms.Currency, r.Terms.CaptureMethod = currency, capture
		return r
	}
	s.fails(stripesim.Fault{Endpoint: makesPayment, Kind: stripesim.Dropped, Times: -1})
	for currency, amount := range map[string]int64{"isk": 550, "ugx": 50, "kwd": 5124, "eur": payment.MaxAmount + 1} {
		s.refuses(in(currency, amount, payment.CaptureManual), payment.CodeAmountOutOfRange)
	}
	s.sim.ClearFaults()
	for currency, amount := range map[string]int64{"isk": 50000, "ugx": 500000, "kwd": 5120} {
		made, v := s.creates(in(currency, amount, payment.CaptureManual))
		_, err := s.svc.ChangeAmount(t.Context(), made.ID, v.Version, amount+1)
		s.wantCode(err, payment.CodeAmountOutOfRange)
		s.confirm(made.ID, "pm_card_visa")
		s.reads(made.ID)
		s.shows(made.ID, payment.Authorized, amount)
		odd, part := amount-1, amount/2
		_, err = s.svc.Capture(t.Context(), made.ID, &odd)
		s.wantCode(err, payment.CodeAmountOutOfRange)
		if _, err = s.svc.Capture(t.Context(), made.ID, &amount); err != nil {
			t.Fatal(err)
		}
		_, err = s.svc.Refund(
			t.Context(), payment.RefundRequest{Payment: made.ID, Caller: "shop", Key: "odd", Amount: &odd},
		)
		s.wantCode(err, payment.CodeAmountOutOfRange)
		valid := payment.RefundRequest{Payment: made.ID, Caller: "shop", Key: "part", Amount: &part}
		if _, err = s.svc.Refund(t.Context(), valid); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMinimumsOfStripe: Stripe's own minimum or maximum becomes an error about the amount.
func TestMinimumsOfStripe(t *testing.T) {
	s := newShop(t)
	for _, amount := range []int64{49, 100_000_000} {
		s.refuses(s.key(amount), payment.CodeAmountOutOfRange)
	}
	r := s.key(payment.MaxAmount)
	r.Terms.Currency = "idr"
	s.creates(r)
}

package payment

import "testing"

// TestEarlierTermsOfTheWinner: Redis has lost the order's last price, and its clock was set back, so that the rev of
// the success is in the future. An earlier event of the winner then arrives, with a price between both. The order
// keeps its terms until the success can be merged again.
func TestEarlierTermsOfTheWinner(t *testing.T) {
	const between, last, future = "8", "9", "99999999999999"
	o, _ := follow(openOrder("pi_1"), datedSeen(paidSeen("pi_1", 1, 1270), future, 1270))
	if o.Winner != "pi_1" || o.Terms != price {
		t.Fatalf("the winner is %q, the terms are %+v", o.Winner, o.Terms)
	}
	o, _ = follow(o, datedSeen(seenAs("pi_1", 1, event("evt_0", 9, pending())), between, 1160))
	if o.Terms != price {
		t.Errorf("after an earlier event the terms are %+v", o.Terms)
	}
	o, _ = follow(o, datedSeen(paidSeen("pi_1", 1, 1270), last, 1270))
	want := price
	if want.Amount = 1270; o.Terms != want {
		t.Errorf("after the success the terms are %+v, want %+v", o.Terms, want)
	}
}

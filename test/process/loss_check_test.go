package process_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// lossView holds the members of a view that the tests of lost data compare.
type lossView struct {
	PaymentIntent string  `json:"payment_intent"`
	OrderID       string  `json:"order_id"`
	State         string  `json:"state"`
	Version       int64   `json:"version"`
	Amount        int64   `json:"amount"`
	Refunded      int64   `json:"amount_refunded"`
	Fulfillable   bool    `json:"fulfillable"`
	FulfillableAt *string `json:"fulfillable_at"`
	HoldReason    *string `json:"hold_reason"`
}

// truth returns Stripe's PaymentIntents of the case's order, without the copies.
func (c *lossCase) truth(all map[string][]intent) []intent {
	return slices.DeleteFunc(
		slices.Clone(all[c.order]), func(pi intent) bool { return slices.Contains(c.copies, pi.ID) },
	)
}

// checkPayable checks that the customer cannot pay twice: at most one payment of the order has
// succeeded or is open.
func (c *lossCase) checkPayable(all map[string][]intent, when string) {
	var open []string
	succeeded := 0
	for _, pi := range c.truth(all) {
		switch {
		case pi.AmountReceived > 0:
			succeeded++
		case pi.Status != "canceled":
			open = append(open, pi.ID+" "+pi.Status)
		}
	}
	if len(open)+succeeded > 1 {
		c.problem("%s %d payments have succeeded and %v are open, want at most 1 in total", when, succeeded, open)
	}
}

// checkPaid checks that the stream contains order.paid once if a payment has succeeded, and
// otherwise not.
func (c *lossCase) checkPaid(all map[string][]intent, stream map[string][]event, when string) {
	want := 0
	for _, pi := range c.truth(all) {
		if pi.AmountReceived > 0 {
			want = 1
		}
	}
	got, restored := 0, 0
	var kinds []string
	for _, e := range stream[c.order] {
		switch {
		case e.kind != "order.paid":
		case e.restored && c.w.keepsStream: // the stream also has the first order.paid
			restored++
		default:
			got++
		}
		kinds = append(kinds, e.kind)
		ofOrder := strings.HasPrefix(e.kind, "order.") && e.kind != "order.duplicate_payment"
		if ofOrder && slices.Contains(c.copies, e.data.PaymentIntent) {
			c.problem("%s the stream has %s of the copy %s, want none", when, e.kind, e.data.PaymentIntent)
		}
	}
	if got != want && restored != want || restored > 1 || got > 1 {
		c.problem(
			"%s the stream has order.paid %d times, and %d times restored, want %d: %v",
			when, got, restored, want, kinds,
		)
	}
}

// checkShown compares every process's view of the order with Stripe, and the order's last event
// with the view.
func (c *lossCase) checkShown(all map[string][]intent, stream map[string][]event, when string) {
	truth := c.truth(all)
	if len(truth) == 0 {
		return
	}
	rebuilt := when == "after rebuild"
	for _, p := range c.w.all {
		a := c.repeat(when+" GET of the order", func() (answer, error) {
			return p.request(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		})
		if a.status != http.StatusOK {
			c.problem("%s GET of the order: got %d %s, want 200", when, a.status, a.body)
			return
		}
		var order struct{ Payment lossView }
		a.decode(c.w.t, &order)
		if difference := compareShown(order.Payment, truth, rebuilt || !c.w.keepsStream); difference != "" {
			c.problem("%s %s", when, difference)
		}
		if difference := compareLastEvent(order.Payment, stream[c.order]); difference != "" {
			c.problem("%s %s", when, difference)
		}
	}
}

// compareShown returns how the order's payment differs from Stripe's; "" if it does not. Stripe
// sends no event about a new amount. Kasse reads the amount of a lost order again only at its next
// sweep, or at a rebuild.
func compareShown(shown lossView, truth []intent, amounts bool) string {
	slices.SortFunc(truth, func(a, b intent) int {
		return cmp.Or(
			cmp.Compare(b.AmountReceived, a.AmountReceived),
			cmp.Compare(b.Metadata["kasse_attempt"], a.Metadata["kasse_attempt"]),
		)
	})
	want := truth[0].state()
	switch {
	case shown.PaymentIntent != truth[0].ID:
		return fmt.Sprintf(
			"the order shows %q (%s), want %s (%s)", shown.PaymentIntent, shown.State, truth[0].ID, want)
	case want == "paid" && shown.HoldReason != nil && shown.State == "paid":
		return "the payment is held, want fulfillable: " + *shown.HoldReason
	case want == "paid" && (shown.State == "refunded" || shown.State == "partially_refunded") && shown.Refunded > 0:
		return ""
	case shown.State != want:
		return fmt.Sprintf("the payment is %s, want %s", shown.State, want)
	case amounts && shown.Amount != truth[0].Amount:
		return fmt.Sprintf("the payment's amount is %d, want %d", shown.Amount, truth[0].Amount)
	}
	return ""
}

// compareLastEvent returns how the last order.* event differs from the view; "" if it does not.
func compareLastEvent(shown lossView, events []event) string {
	for _, e := range slices.Backward(events) {
		if !strings.HasPrefix(e.kind, "order.") || e.kind == "order.duplicate_payment" {
			continue
		}
		last := e.data
		if last.PaymentIntent != shown.PaymentIntent || last.State != shown.State ||
			last.Fulfillable != shown.Fulfillable {
			return fmt.Sprintf("the last event is %s of %s (%s, fulfillable %t), the order is %s (%s, fulfillable %t)",
				e.kind, last.PaymentIntent, last.State, last.Fulfillable,
				shown.PaymentIntent, shown.State, shown.Fulfillable)
		}
		return ""
	}
	return ""
}

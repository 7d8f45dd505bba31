package process_test

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// lossView is what the checkOrders looks at in a view.
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

// truth are the PaymentIntents that Stripe has of the case's order, without copies.
func (c *lossCase) truth(all map[string][]intent) []intent {
	return slices.DeleteFunc(
		slices.Clone(all[c.order]), func(pi intent) bool { return slices.Contains(c.copies, pi.ID) },
	)
}

// checkPayable checks that the customer can never pay twice.
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
	if len(open)+succeeded > 1 && (len(open) > 1 || succeeded > 1) {
		c.problem("%s Stripe has %d successes and could be paid for %v", when, succeeded, open)
	}
}

// checkPaid checks that order.paid stands in the stream once, if money has come.
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
		case e.restored && c.w.keepsStream: // what was announced before the order was lost stands there, too
			restored++
		default:
			got++
		}
		kinds = append(kinds, e.kind)
		ofOrder := strings.HasPrefix(e.kind, "order.") && e.kind != "order.duplicate_payment"
		if ofOrder && slices.Contains(c.copies, e.data.PaymentIntent) {
			c.problem("%s %s was sent of a copy", when, e.kind)
		}
	}
	if got != want && restored != want || restored > 1 || got > 1 {
		c.problem("%s order.paid was sent %d times, want %d: %v", when, got, want, kinds)
	}
}

// checkShown checks what is shown of the order against Stripe, and the last word against what is
// shown.
func (c *lossCase) checkShown(all map[string][]intent, stream map[string][]event, when string) {
	truth := c.truth(all)
	if len(truth) == 0 {
		return
	}
	rebuilt := when == "after rebuild"
	for _, p := range c.w.all {
		a := c.repeat(when+" the order", func() (answer, error) {
			return p.ask(backendKey, http.MethodGet, "/v1/orders/"+c.order, "")
		})
		if a.status != http.StatusOK {
			c.problem("%s the order is answered %d %s", when, a.status, a.body)
			return
		}
		var order struct{ Payment lossView }
		a.decode(c.w.t, &order)
		if complaint := compareShown(order.Payment, truth, rebuilt || !c.w.keepsStream); complaint != "" {
			c.problem("%s %s", when, complaint)
		}
		if complaint := lastWord(order.Payment, stream[c.order]); complaint != "" {
			c.problem("%s %s", when, complaint)
		}
	}
}

// compareShown gives a reason why the order's payment is not the one that Stripe has. Stripe makes
// no event of a new amount, so that an order which is lost has the amount from its next sweep on, or
// from a rebuild.
func compareShown(shown lossView, truth []intent, amounts bool) string {
	slices.SortFunc(truth, func(a, b intent) int {
		return cmp.Or(
			cmp.Compare(b.AmountReceived, a.AmountReceived), cmp.Compare(
				b.Metadata["kasse_attempt"], a.Metadata["kasse_attempt"],
			),
		)
	})
	want := truth[0].state()
	switch {
	case shown.PaymentIntent != truth[0].ID:
		return fmt.Sprintf(
			"the order stands for %q (%s), not for %s (%s)", shown.PaymentIntent, shown.State, truth[0].ID, want)
	case want == "paid" && shown.HoldReason != nil && shown.State == "paid":
		return "the payment is held: " + *shown.HoldReason
	case want == "paid" && (shown.State == "refunded" || shown.State == "partially_refunded") && shown.Refunded > 0:
		return ""
	case shown.State != want:
		return fmt.Sprintf("the payment is %s, at Stripe %s", shown.State, want)
	case amounts && shown.Amount != truth[0].Amount:
		return fmt.Sprintf("the payment is of %d, at Stripe %d", shown.Amount, truth[0].Amount)
	}
	return ""
}

// lastWord gives a reason why the last order.* event is not true.
func lastWord(shown lossView, events []event) string {
	for _, e := range slices.Backward(events) {
		if !strings.HasPrefix(e.kind, "order.") || e.kind == "order.duplicate_payment" {
			continue
		}
		said := e.data
		if said.PaymentIntent != shown.PaymentIntent || said.State != shown.State ||
			said.Fulfillable != shown.Fulfillable {
			return fmt.Sprintf("the last word is %s of %s (%s), the order is %s (%s)",
				e.kind, e.data.PaymentIntent, e.data.State, shown.PaymentIntent, shown.State)
		}
		return ""
	}
	return ""
}

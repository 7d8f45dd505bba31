package payment

import (
	"errors"
	"testing"
	"time"
)

// TestNextStep is the table of what a create does next.
func TestNextStep(t *testing.T) {
	shown := func(s Snapshot, payments ...ID) Order {
		o := openOrder(payments...)
		last := payments[len(payments)-1]
		o, _ = follow(o, seenAs(last, len(payments), event("evt_1", 10, s)))
		return o
	}
	with := func(o Order, facts ...Fact) Order {
		next, _ := o.Apply(All(facts), noon)
		return next
	}
	key := CreateRequest{Order: "order-1", Terms: price}
	other := CreateRequest{Order: "order-1", Terms: price}
	other.Terms.Amount = 1500
	token := func(amount, rev int64) CreateRequest {
		r := CreateRequest{Order: "order-1", Terms: price, Rev: rev}
		r.Terms.Amount = amount
		return r
	}
	customer := token(1000, 9)
	customer.Terms.Customer = "cus_2"
	older := customer
	older.Rev = 1
	reopen := key
	reopen.Reopen = true
	reopenOther := other
	reopenOther.Reopen = true
	unclear := openOrder("")
	unclear.Attempts[0].Unclear = true
	unknown, _ := follow(openOrder("pi_1"), seenAs("pi_3", 3, opening(10, pending())))
	for _, tt := range []struct {
		name  string
		order Order
		r     CreateRequest
		want  StepKind
		code  Code
		saves bool
	}{
		{"a new order", Order{ID: "order-1", Rules: testRules}, key, StepOpen, "", true},
		{
			"leased to another", with(openOrder("pi_1"), Leased{"other", noon.Add(time.Minute)}), key, StepWait,
			"", false,
		},
		{"leased to this create", with(openOrder(), Leased{"me", noon.Add(time.Minute)}), key, StepOpen, "", true},
		{"a lease that has ended", with(openOrder(), Leased{"other", noon}), key, StepOpen, "", true},
		{"open", shown(pending(), "pi_1"), token(1000, 1), StepHandOut, "", false},
		{"open, and a newer price", shown(pending(), "pi_1"), token(1500, 9), StepSave, "", true},
		{"open, and an older price", shown(pending(), "pi_1"), token(1500, 0+1), StepHandOut, "", false},
		{
			"open, and other terms of a service key", shown(pending(), "pi_1"), other, StepRefuse,
			CodeOrderConflict, false,
		},
		{
			"open, and an older token of another customer", shown(pending(), "pi_1"), older, StepRefuse,
			CodeOrderConflict, false,
		},
		{"open, and a newer token of another customer", shown(pending(), "pi_1"), customer, StepSave, "", true},
		{"canceled", shown(canceled(""), "pi_1"), key, StepOpen, "", true},
		{"refused", openOrder("refused"), key, StepOpen, "", true},
		{"waiting for Stripe's answer", openOrder(""), key, StepResend, "", true},
		{"Stripe replays a failure", unclear, key, StepSearch, "", true},
		{"processing", shown(processing("ch_1"), "pi_1"), token(1000, 1), StepRefuse, CodePaymentInProgress, false},
		{"processing, and a newer price", shown(processing("ch_1"), "pi_1"), token(1500, 9), StepSave, "", true},
		{
			"processing, to be reopened", shown(processing("ch_1"), "pi_1"), reopenOther, StepRefuse,
			CodePaymentInProgress, false,
		},
		{"paid", shown(succeeded("ch_1"), "pi_1"), token(1500, 9), StepRefuse, CodeOrderAlreadyPaid, false},
		{
			"closed", with(shown(pending(), "pi_1"), OrderClosed{ClosedByCancel}), key, StepRefuse,
			CodeOrderClosed, false,
		},
		{
			"closed for failures", with(shown(pending(), "pi_1"), OrderClosed{ClosedByFailures}), key, StepRefuse,
			CodeAttemptsExhausted, false,
		},
		{
			"closed and open at Stripe, reopened", with(shown(pending(), "pi_1"), OrderClosed{ClosedByCancel}),
			reopen, StepWithdraw, "", true,
		},
		{
			"closed and canceled, reopened", with(shown(canceled(""), "pi_1"), OrderClosed{ClosedByCancel}),
			reopen, StepOpen, "", true,
		},
		{
			"closed, reopened with other terms", with(shown(canceled(""), "pi_1"), OrderClosed{ClosedByCancel}),
			reopenOther, StepOpen, "", true,
		},
		{"open, reopened with the same terms", shown(pending(), "pi_1"), reopen, StepSave, "", true},
		{"open, reopened with other terms", shown(pending(), "pi_1"), reopenOther, StepWithdraw, "", true},
		{"withdrawn", with(shown(pending(), "pi_1"), Withdrawn{"pi_1"}), token(1000, 1), StepWithdraw, "", false},
		{"an attempt is unknown", unknown, token(1000, 1), StepList, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			step := tt.order.NextStep(tt.r, "me", noon)
			var e *Error
			if errors.As(step.Err, &e) != (tt.code != "") || (e != nil && e.Code != tt.code) {
				t.Errorf("error %v, want %s", step.Err, tt.code)
			}
			if step.Kind != tt.want || (step.Fact != nil) != tt.saves {
				t.Errorf("step %d saving %v, want %d", step.Kind, step.Fact, tt.want)
			}
		})
	}
}

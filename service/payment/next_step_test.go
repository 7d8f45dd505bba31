package payment

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// shownAs returns an order with these payments. Stripe has shown the last of them.
func shownAs(s Snapshot, payments ...ID) Order {
	last := payments[len(payments)-1]
	o, _ := follow(openOrder(payments...), seenAs(last, len(payments), event("evt_1", 10, s)))
	return o
}

// withFacts returns the order after the facts.
func withFacts(o Order, facts ...Fact) Order {
	next, _ := o.Apply(All(facts), noon)
	return next
}

// keyCreate returns a create by a service key.
func keyCreate(amount int64) CreateRequest {
	r := CreateRequest{Order: "order-1", Terms: price}
	r.Terms.Amount = amount
	return r
}

// tokenOf returns a create by an order token.
func tokenOf(amount, rev int64) CreateRequest {
	r := keyCreate(amount)
	r.Rev = rev
	return r
}

func anotherCustomer(rev int64) CreateRequest {
	r := tokenOf(1000, rev)
	r.Terms.Customer = "cus_2"
	return r
}

func reopening(r CreateRequest) CreateRequest {
	r.Reopen = true
	return r
}

// unclearOrder returns an order with an attempt for which Stripe replays a failure.
func unclearOrder() Order {
	o := openOrder("")
	o.Attempts[0].Unclear = true
	return o
}

// unknownAttempt returns an order with a known third attempt and an unknown second one.
func unknownAttempt() Order {
	o, _ := follow(openOrder("pi_1"), seenAs("pi_3", 3, opening(10, pending())))
	return o
}

// nextStep is an order, a create, and what the create does next.
type nextStep struct {
	name  string
	order Order
	r     CreateRequest
	want  StepKind
	code  Code
	saves bool
}

var nextStepsOfOpen = []nextStep{
	{"a new order", Order{ID: "order-1", Rules: testRules}, keyCreate(1000), StepOpen, "", true},
	{
		"leased to another", withFacts(openOrder("pi_1"), Leased{"other", noon.Add(time.Minute)}), keyCreate(1000),
		StepWait,
		"", false,
	},
	{
		"leased to this create", withFacts(openOrder(), Leased{"me", noon.Add(time.Minute)}), keyCreate(1000), StepOpen,
		"", true,
	},
	{"a lease that has ended", withFacts(openOrder(), Leased{"other", noon}), keyCreate(1000), StepOpen, "", true},
	{"open", shownAs(pending(), "pi_1"), tokenOf(1000, 1), StepHandOut, "", false},
	{"open, and a newer price", shownAs(pending(), "pi_1"), tokenOf(1500, 9), StepSave, "", true},
	{"open, and an older price", shownAs(pending(), "pi_1"), tokenOf(1500, 1), StepHandOut, "", false},
	{
		"open, and other terms of a service key", shownAs(pending(), "pi_1"), keyCreate(1500), StepRefuse,
		CodeOrderConflict, false,
	},
	{
		"open, and an older token of another customer", shownAs(pending(), "pi_1"), anotherCustomer(1), StepRefuse,
		CodeOrderConflict, false,
	},
	{"open, and a newer token of another customer", shownAs(pending(), "pi_1"), anotherCustomer(9), StepSave, "", true},
	{"canceled", shownAs(canceled(""), "pi_1"), keyCreate(1000), StepOpen, "", true},
	{"refused", openOrder("refused"), keyCreate(1000), StepOpen, "", true},
	{"waiting for Stripe's answer", openOrder(""), keyCreate(1000), StepResend, "", true},
	{"Stripe replays a failure", unclearOrder(), keyCreate(1000), StepSearch, "", true},
}

var nextStepsOfPaid = []nextStep{
	{"processing", shownAs(processing("ch_1"), "pi_1"), tokenOf(1000, 1), StepRefuse, CodePaymentInProgress, false},
	{"processing, and a newer price", shownAs(processing("ch_1"), "pi_1"), tokenOf(1500, 9), StepSave, "", true},
	{
		"processing, to be reopened", shownAs(processing("ch_1"), "pi_1"), reopening(keyCreate(1500)), StepRefuse,
		CodePaymentInProgress, false,
	},
	{"paid", shownAs(succeeded("ch_1"), "pi_1"), tokenOf(1500, 9), StepRefuse, CodeOrderAlreadyPaid, false},
}

var nextStepsOfClosed = []nextStep{
	{
		"closed", withFacts(shownAs(pending(), "pi_1"), OrderClosed{ClosedByCancel}), keyCreate(1000), StepRefuse,
		CodeOrderClosed, false,
	},
	{
		"closed for failures", withFacts(shownAs(pending(), "pi_1"), OrderClosed{ClosedByFailures}), keyCreate(1000),
		StepRefuse,
		CodeAttemptsExhausted, false,
	},
	{
		"closed and open at Stripe, reopened", withFacts(shownAs(pending(), "pi_1"), OrderClosed{ClosedByCancel}),
		reopening(keyCreate(1000)), StepWithdraw, "", true,
	},
	{
		"closed and canceled, reopened", withFacts(shownAs(canceled(""), "pi_1"), OrderClosed{ClosedByCancel}),
		reopening(keyCreate(1000)), StepOpen, "", true,
	},
	{
		"closed, reopened with other terms", withFacts(shownAs(canceled(""), "pi_1"), OrderClosed{ClosedByCancel}),
		reopening(keyCreate(1500)), StepOpen, "", true,
	},
	{"open, reopened with the same terms", shownAs(pending(), "pi_1"), reopening(keyCreate(1000)), StepSave, "", true},
	{"open, reopened with other terms", shownAs(pending(), "pi_1"), reopening(keyCreate(1500)), StepWithdraw, "", true},
	{"withdrawn", withFacts(shownAs(pending(), "pi_1"), Withdrawn{"pi_1"}), tokenOf(1000, 1), StepWithdraw, "", false},
	{"an attempt is unknown", unknownAttempt(), tokenOf(1000, 1), StepList, "", false},
}

// TestNextStep: NextStep returns what a create does next with an order.
func TestNextStep(t *testing.T) {
	for _, tt := range slices.Concat(nextStepsOfOpen, nextStepsOfPaid, nextStepsOfClosed) {
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

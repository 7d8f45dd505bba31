package stripesim

import (
	"fmt"
	"slices"
)

// refundPlan is the result of a future refund request.
type refundPlan struct {
	status  *text    // initial status; nil: the payment method decides
	refusal *failure // error response; nil: a refund is made
}

// Refund refunds a part of a payment, or its rest with amount 0, as Stripe's dashboard does. It returns the
// refund's id.
func (s *Server) Refund(paymentIntent string, amount int64) (id string, err error) {
	form := params{"payment_intent": paymentIntent}
	if amount != 0 {
		form["amount"] = fmt.Sprint(amount)
	}
	err = s.locked(func(a *account) error {
		made, err := a.createRefund(&call{params: form})
		if err == nil {
			id = made.(object).id() //nolint:forcetypeassert // createRefund makes nothing else
		}
		return err
	})
	return id, err
}

// MoveRefund brings a refund that has not failed to "pending", "requires_action", "succeeded",
// "failed" or "canceled", with its events.
func (s *Server) MoveRefund(refund, to string) error {
	return s.locked(func(a *account) error {
		re, ok := a.refunds.find(refund)
		if !ok {
			return missing("refund", refund, "refund")
		}
		if !slices.Contains([]string{"pending", "requires_action", "succeeded", "failed", "canceled"}, to) {
			return invalid("", "to", "Invalid status: %s", to)
		}
		if re.Status == "failed" || re.Status == "canceled" {
			return invalid("", "", "Refund %s has a status of %s.", re.ID, re.Status)
		}
		a.moveRefund(re, text(to), re.Status)
		return nil
	})
}

// PlanRefund sets the initial status of the next requested refund, known to Stripe or not; empty means null.
func (s *Server) PlanRefund(status string) {
	_ = s.locked(func(a *account) error {
		begins := text(status)
		a.refundPlans = append(a.refundPlans, refundPlan{status: &begins})
		return nil
	})
}

// RefuseRefund makes the next requested refund fail with a code of Stripe's. balance_insufficient means that
// the account's balance does not cover the refund.
func (s *Server) RefuseRefund(code string) {
	_ = s.locked(func(a *account) error {
		a.refundPlans = append(a.refundPlans, refundPlan{refusal: refundRefusal(code)})
		return nil
	})
}

func refundRefusal(code string) *failure {
	if code == "balance_insufficient" {
		return invalid(code, "", textNoBalance)
	}
	return invalid(code, "", "The refund was refused.")
}

// nextRefund returns the plan for the current refund request.
func (a *account) nextRefund() refundPlan {
	if len(a.refundPlans) == 0 {
		return refundPlan{}
	}
	plan := a.refundPlans[0]
	a.refundPlans = a.refundPlans[1:]
	return plan
}

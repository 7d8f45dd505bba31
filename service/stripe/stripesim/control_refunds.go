package stripesim

import (
	"fmt"
	"slices"
)

// refundPlan is what becomes of a refund that is asked for next.
type refundPlan struct {
	status  *text    // its status from the start; nil leaves that to the payment method
	refusal *failure // the answer in place of a refund; nil makes one
}

// Refund gives back part of a payment, or with amount 0 what is left of it, as Stripe's dashboard
// does. It returns the refund's id.
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

// PlanRefund makes the next refund that is asked for begin in any status, known to Stripe or not;
// empty is null.
func (s *Server) PlanRefund(status string) {
	_ = s.locked(func(a *account) error {
		begins := text(status)
		a.refundPlans = append(a.refundPlans, refundPlan{status: &begins})
		return nil
	})
}

// RefuseRefund makes the next refund that is asked for fail with a code of Stripe's.
// balance_insufficient is the refusal of an account whose balance does not cover the refund.
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

// nextRefund is the plan for a refund that is asked for now.
func (a *account) nextRefund() refundPlan {
	if len(a.refundPlans) == 0 {
		return refundPlan{}
	}
	plan := a.refundPlans[0]
	a.refundPlans = a.refundPlans[1:]
	return plan
}

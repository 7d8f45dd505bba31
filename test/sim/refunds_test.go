package sim_test

import (
	"encoding/json"
	"fmt"

	"kasse/service/payment"
)

// refund is a refund, or the release of the uncaptured rest of an authorization.
type refund struct {
	payment.RefundSeen
	payment *intent
	release bool
}

// refundForm is the request of a refund.
type refundForm struct {
	Payment payment.ID `json:"payment"`
	Call    string     `json:"call"`
	Amount  int64      `json:"amount"`
	Reason  string     `json:"reason"`
}

// capture captures a part of the authorized amount. Stripe makes a Refund for the rest.
func (s *stripe) capture(id payment.ID, amount int64) (payment.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return payment.Answer{}, missing()
	case p.Status != payment.RequiresCapture || amount > p.AmountCapturable:
		return payment.Answer{}, s.refuse(p)
	}
	rest := p.AmountCapturable - amount
	s.receive(p, amount)
	if rest > 0 {
		s.addRefund(p, refundForm{Amount: rest}).release = true
	}
	return s.answer(p), nil
}

// storedRefund is the result that Stripe stores for a refund's idempotency key.
type storedRefund struct {
	form string
	made *refund
}

// openRefund makes a refund, or returns the one that was made with the key.
func (s *stripe) openRefund(key, text string) (payment.RefundSeen, error) {
	if k, known := s.refundKeys[key]; known && !s.sim.mutant.forgetKeys {
		if k.form != text {
			return payment.RefundSeen{}, &payment.Error{
				Code: payment.CodeStripeError, Detail: "the key was used for another form", Replayed: true,
				Mismatch: true,
			}
		}
		return k.made.RefundSeen, nil
	}
	var f refundForm
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return payment.RefundSeen{}, err
	}
	p := s.intent(f.Payment)
	if p == nil || p.Status != payment.Succeeded || f.Amount > p.AmountReceived-s.refunded(p) {
		return payment.RefundSeen{}, &payment.Error{
			Code: payment.CodeRefundExceedsPayment, Detail: "too much", Refused: true,
		}
	}
	made := s.addRefund(p, f)
	s.refundKeys[key] = storedRefund{text, made}
	return made.RefundSeen, nil
}

// addRefund makes a refund with its event.
func (s *stripe) addRefund(p *intent, f refundForm) *refund {
	made := &refund{payment: p, RefundSeen: payment.RefundSeen{
		ID: payment.RefundID(fmt.Sprintf("re_%d", len(s.refunds)+1)),
		Refund: payment.Refund{
			Status: pick[payment.RefundStatus](s.sim, "succeeded", "succeeded", "pending"), Amount: f.Amount,
			Reason: f.Reason, Created: s.clock(), Call: f.Call,
		},
	}}
	s.refunds = append(s.refunds, made)
	s.sim.tracef("  Stripe refunds %d of %s", made.Amount, p.id)
	s.announceRefund(p, "refund.created", made.RefundSeen)
	return made
}

// refunded returns the sum of a PaymentIntent's refunds, including pending ones, in minor units.
func (s *stripe) refunded(p *intent) (sum int64) {
	for _, r := range s.refunds {
		if r.payment == p && !r.release && r.Status != "failed" {
			sum += r.Amount
		}
	}
	return sum
}

// reversals lists the refunds of a PaymentIntent.
func (s *stripe) reversals(p *intent) *payment.Reversals {
	list := &payment.Reversals{}
	for _, r := range s.refunds {
		if r.payment == p {
			list.Refunds = append(list.Refunds, r.RefundSeen)
		}
	}
	return list
}

// refundActs changes the status of a refund, as the bank does.
func (s *stripe) refundActs(r *refund) {
	switch r.Status {
	case "pending":
		r.Status = pick[payment.RefundStatus](s.sim, "succeeded", "failed")
	case "succeeded":
		r.Status = "failed"
	default:
		return
	}
	s.sim.tracef("%s of %s becomes %s", r.ID, r.payment.id, r.Status)
	s.announceRefund(r.payment, "refund.updated", r.RefundSeen)
}

// announceRefund makes an event about a refund.
func (s *stripe) announceRefund(p *intent, kind string, seen payment.RecordFact) {
	e := s.newEvent(p, kind)
	e.Payment, e.Facts = p.id, []payment.RecordFact{seen}
}

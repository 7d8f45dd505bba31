package sim_test

import (
	"context"
	"encoding/json"
	"fmt"

	"kasse/service"
)

// refund is money given back, or the release of what a capture has left.
type refund struct {
	service.RefundSeen
	payment *intent
	release bool
}

// refundForm is what is sent for a refund.
type refundForm struct {
	Payment service.PaymentID `json:"payment"`
	Call    string            `json:"call"`
	Amount  int64             `json:"amount"`
	Reason  string            `json:"reason"`
}

func (r *replica) RefundForm(id service.PaymentID, call string, amount int64, reason string) string {
	text, _ := json.Marshal(refundForm{id, call, amount, reason})
	return string(text)
}

func (r *replica) OpenRefund(ctx context.Context, key, form string) (service.RefundSeen, error) {
	return toStripe(ctx, r, "OpenRefund", key, func() (service.RefundSeen, error) { return r.world.stripe.openRefund(key, form) })
}

func (r *replica) CapturePayment(ctx context.Context, id service.PaymentID, amount int64) (service.Answer, error) {
	about := fmt.Sprintf("%s of %d", id, amount)
	return toStripe(ctx, r, "CapturePayment", about, func() (service.Answer, error) { return r.world.stripe.capture(id, amount) })
}

// WantRead puts a payment into the queue that has no record.
func (r *replica) WantRead(ctx context.Context, id service.PaymentID) error {
	_, err := toRedis(ctx, r, "WantRead", string(id), func() (any, error) {
		if _, waits := r.world.redis.reads[id]; !waits {
			r.world.redis.reads.put(id, r.world.redis.now())
		}
		return nil, nil
	})
	return err
}

// capture takes a part of what was authorised; the rest becomes a refund that is none.
func (s *stripe) capture(id service.PaymentID, amount int64) (service.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return service.Answer{}, missing()
	case p.Status != service.RequiresCapture || amount > p.AmountCapturable:
		return service.Answer{}, s.refuse(p)
	}
	rest := p.AmountCapturable - amount
	s.receive(p, amount)
	if rest > 0 {
		s.giveBack(p, refundForm{Amount: rest}).release = true
	}
	return s.answer(p), nil
}

// keptRefund is what Stripe remembers of a refund's key.
type keptRefund struct {
	form string
	made *refund
}

// openRefund makes a refund, or answers with the one that the key has made.
func (s *stripe) openRefund(key, text string) (service.RefundSeen, error) {
	if k, known := s.refundKeys[key]; known && !s.world.mutant.forgetKeys {
		if k.form != text {
			return service.RefundSeen{}, &service.Error{Code: service.CodeStripeError, Detail: "the key was used for another form", Replayed: true}
		}
		return k.made.RefundSeen, nil
	}
	var f refundForm
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return service.RefundSeen{}, err
	}
	p := s.intent(f.Payment)
	if p == nil || p.Status != service.Succeeded || f.Amount > p.AmountReceived-s.given(p) {
		return service.RefundSeen{}, &service.Error{Code: service.CodeRefundExceedsPayment, Detail: "too much", Refused: true}
	}
	made := s.giveBack(p, f)
	s.refundKeys[key] = keptRefund{text, made}
	return made.RefundSeen, nil
}

// giveBack makes a refund, with its events.
func (s *stripe) giveBack(p *intent, f refundForm) *refund {
	made := &refund{payment: p, RefundSeen: service.RefundSeen{
		ID:     service.RefundID(fmt.Sprintf("re_%d", len(s.refunds)+1)),
		Refund: service.Refund{Status: pick[service.RefundStatus](s.world, "succeeded", "succeeded", "pending"), Amount: f.Amount, Reason: f.Reason, Created: s.clock(), Call: f.Call},
	}}
	s.refunds = append(s.refunds, made)
	s.world.note("  Stripe gives back %d of %s", made.Amount, p.id)
	s.tell(p, "refund.created", made.RefundSeen)
	return made
}

// given is how much of a payment was given back, or is on its way.
func (s *stripe) given(p *intent) (sum int64) {
	for _, r := range s.refunds {
		if r.payment == p && !r.release && r.Status != "failed" {
			sum += r.Amount
		}
	}
	return sum
}

// returns lists what was given back of a payment.
func (s *stripe) returns(p *intent) *service.Returns {
	list := &service.Returns{}
	for _, r := range s.refunds {
		if r.payment == p {
			list.Refunds = append(list.Refunds, r.RefundSeen)
		}
	}
	return list
}

// refundActs is what a bank does to a refund that it is sent.
func (s *stripe) refundActs(r *refund) {
	switch r.Status {
	case "pending":
		r.Status = pick[service.RefundStatus](s.world, "succeeded", "failed")
	case "succeeded":
		r.Status = "failed"
	default:
		return
	}
	s.world.note("%s of %s becomes %s", r.ID, r.payment.id, r.Status)
	s.tell(r.payment, "refund.updated", r.RefundSeen)
}

// tell makes an event about money given back.
func (s *stripe) tell(p *intent, kind string, said ...service.Fact) {
	e := s.newEvent(p, kind)
	e.Payment, e.Returned = p.id, said
}

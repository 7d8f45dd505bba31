package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kasse/service"
)

// refundForm is what is sent to give money back.
type refundForm struct {
	Payment service.PaymentID `json:"payment"`
	Call    string            `json:"call"`
	Amount  int64             `json:"amount"`
	Reason  string            `json:"reason"`
}

// keptRefund is what Stripe remembers of a refund's idempotency key.
type keptRefund struct {
	form string
	at   time.Time
	seen service.RefundSeen
	err  *service.Error
}

// capture takes so much of what was authorised.
func (s *stripe) capture(id service.PaymentID, amount int64) (service.Answer, error) {
	p := s.intent(id)
	switch {
	case p == nil:
		return service.Answer{}, missing()
	case p.Status != service.RequiresCapture:
		return service.Answer{}, s.refuse(p)
	case amount > p.AmountCapturable:
		return service.Answer{}, &service.Error{Code: service.CodeAmountOutOfRange, Detail: "more than was authorised", Refused: true}
	}
	s.receive(p, amount)
	if rest := p.Amount - amount; rest > 0 {
		s.giveBack(p, service.Refund{Status: "succeeded", Amount: rest, Created: s.clock()})
	}
	return s.answer(p), nil
}

// giveBack makes a Refund, and the event of it.
func (s *stripe) giveBack(p *intent, refund service.Refund) service.RefundSeen {
	seen := service.RefundSeen{ID: service.RefundID(fmt.Sprintf("re_%s_%d", p.id, len(p.refunds)+1)), Refund: refund}
	p.refunds = append(p.refunds, seen)
	s.announceReturn(p, "refund.created", seen)
	return seen
}

// returns are all refunds of a payment, once its money came.
func (p *intent) returns() *service.Returns {
	if p.AmountReceived == 0 {
		return nil
	}
	return &service.Returns{Refunds: append([]service.RefundSeen(nil), p.refunds...)}
}

// left is how much of the money received was not given back.
func (p *intent) left() int64 {
	left := p.Amount // the release of what was not captured is a refund too
	for _, r := range p.refunds {
		left -= r.Amount
	}
	return left
}

// refund makes a refund, or answers what it has answered to the key before.
func (s *stripe) refund(key, text string) (service.RefundSeen, error) {
	if k, known := s.refundKeys[key]; known && time.Since(k.at) < keysKept && !s.world.mutant.forgetKeys {
		switch {
		case k.form != text:
			return service.RefundSeen{}, &service.Error{Code: service.CodeStripeError, Detail: "the key was used for another form", Replayed: true}
		case k.err != nil:
			e := *k.err
			e.Replayed = !e.Refused
			return service.RefundSeen{}, &e
		}
		return k.seen, nil
	}
	k := s.makeRefund(text)
	s.refundKeys[key] = k
	if k.err != nil {
		return service.RefundSeen{}, k.err
	}
	return k.seen, nil
}

func (s *stripe) makeRefund(text string) keptRefund {
	k := keptRefund{form: text, at: time.Now()}
	var f refundForm
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		k.err = &service.Error{Code: service.CodeInternal, Detail: err.Error()}
		return k
	}
	p := s.intent(f.Payment)
	switch {
	case p == nil || p.AmountReceived == 0:
		k.err = &service.Error{Code: service.CodeInvalidState, Detail: "nothing to give back", Refused: true}
	case f.Amount > p.left():
		k.err = &service.Error{Code: service.CodeRefundExceedsPayment, Detail: "more than is left", Refused: true}
	default:
		k.seen = s.giveBack(p, service.Refund{Status: "pending", Amount: f.Amount, Reason: f.Reason, Created: s.clock(), Call: f.Call})
	}
	return k
}

func (r *replica) WantRead(ctx context.Context, id service.PaymentID) error {
	_, err := toRedis(ctx, r, "WantRead", string(id), func() (any, error) {
		if _, waits := r.world.redis.reads[id]; !waits {
			r.world.redis.reads.put(id, r.world.redis.now())
		}
		return nil, nil
	})
	return err
}

func (r *replica) CapturePayment(ctx context.Context, id service.PaymentID, amount int64) (service.Answer, error) {
	about := fmt.Sprintf("%s of %d", id, amount)
	return toStripe(ctx, r, "CapturePayment", about, func() (service.Answer, error) { return r.world.stripe.capture(id, amount) })
}

func (r *replica) RefundForm(id service.PaymentID, call string, amount int64, reason string) string {
	text, _ := json.Marshal(refundForm{id, call, amount, reason})
	return string(text)
}

func (r *replica) OpenRefund(ctx context.Context, key, form string) (service.RefundSeen, error) {
	return toStripe(ctx, r, "OpenRefund", key, func() (service.RefundSeen, error) { return r.world.stripe.refund(key, form) })
}

package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"kasse/service/payment"
)

// refunder makes refunds at Stripe.
type refunder interface {
	// RefundForm renders the request. It is stored and repeated byte for byte. The call's name is in its
	// metadata.
	RefundForm(id payment.ID, call string, amount int64, reason string) string
	// OpenRefund sends the form. Its error has Refused if Stripe has made nothing permanently, and Replayed
	// if Stripe only repeats an old failure. After any other error the call must be repeated.
	OpenRefund(ctx context.Context, idempotencyKey, form string) (payment.RefundSeen, error)
}

// RefundMade is the result of a call.
type RefundMade struct {
	Refund   payment.RefundView
	Payment  payment.StoredView
	Replayed bool // the result is of an earlier call
}

// refundReasons are Stripe's refund reasons.
//
// Source: https://docs.stripe.com/api/refunds/create
var refundReasons = []string{"", "duplicate", "fraudulent", "requested_by_customer"}

// Refund refunds an amount of a payment, once for each idempotency key of the caller.
func (s *Service) Refund(ctx context.Context, r payment.RefundRequest) (RefundMade, error) {
	if !slices.Contains(refundReasons, r.Reason) {
		return RefundMade{}, payment.Invalid(payment.Problems{{
			Pointer: "/reason", Detail: "must be duplicate, fraudulent or requested_by_customer",
		}})
	}
	if r.Amount != nil && (*r.Amount < 1 || *r.Amount > payment.MaxAmount) {
		return RefundMade{}, payment.AmountOutOfRange()
	}
	return changePaymentUnleased(ctx, s, r.Payment, func(
		ctx context.Context, t *target, l *lease,
	) (RefundMade, next, error) {
		return s.refundStep(ctx, t, l, r)
	})
}

// Refunds returns the refunds of a payment in every status, oldest first.
func (s *Service) Refunds(ctx context.Context, id payment.ID) ([]payment.RefundView, error) {
	t, err := s.payment(ctx, id)
	if err != nil {
		return nil, err
	}
	list := []payment.RefundView{}
	for _, f := range t.payment().Refunds() {
		list = append(list, f.View())
	}
	return list, nil
}

// refundStep answers a repeated call, refuses an impossible refund, or makes the refund.
func (s *Service) refundStep(
	ctx context.Context, t *target, l *lease, r payment.RefundRequest,
) (RefundMade, next, error) {
	p := t.payment()
	if p == nil {
		return RefundMade{}, done, payment.NotFound()
	}
	call := p.Recall(r)
	switch {
	case call != nil && !call.SameAs(r):
		return RefundMade{}, done, &payment.Error{
			Code:   payment.CodeIdempotencyKeyReused,
			Detail: "This Idempotency-Key was used for another refund of this payment.",
		}
	case call != nil && call.Answered != nil:
		return RefundMade{Refund: *call.Answered, Payment: t.stored(), Replayed: true}, done, nil
	case !p.HasMoney():
		return RefundMade{}, done, t.invalidState("The payment has received no money, so nothing can be refunded.")
	case call == nil && t.checkRefund(r) != nil:
		return RefundMade{}, done, t.checkRefund(r)
	case call == nil && !p.MayHideRefund(r.Name(), t.now) && p.Left() < max(r.RequestedAmount(), 1):
		return RefundMade{}, done, t.exceeded()
	case t.order.Lease.HeldByOther(l.owner, t.now):
		return RefundMade{}, busy, nil
	}
	made, err := s.giveBack(ctx, t, l, r)
	return made, done, err
}

// checkRefund refuses an amount that the payment's currency does not have.
func (t *target) checkRefund(r payment.RefundRequest) error {
	if r.Amount == nil {
		return nil
	}
	return payment.CheckAmount(*r.Amount, t.payment().Record.Resolve().Currency)
}

// exceeded is the error for an amount beyond the rest.
func (t *target) exceeded() *payment.Error {
	return &payment.Error{
		Code: payment.CodeRefundExceedsPayment, Detail: "The amount is greater than what is left to refund of the " +
			"payment.",
		Payment: t.order.Render(t.id),
	}
}

// giveBack makes the refund at Stripe, under the order's lease. If Stripe may have an unknown refund, the
// payment is read first to learn the rest.
func (s *Service) giveBack(ctx context.Context, t *target, l *lease, r payment.RefundRequest) (RefundMade, error) {
	if err := s.take(ctx, t, l); err != nil {
		return RefundMade{}, err
	}
	made, err := s.giveBackLeased(ctx, t, l, r)
	s.end(ctx, t, l)
	return made, err
}

func (s *Service) giveBackLeased(
	ctx context.Context, t *target, l *lease, r payment.RefundRequest,
) (RefundMade, error) {
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	if t.payment().MayHideRefund(r.Name(), t.now) {
		if err := s.readTarget(leased, t); err != nil {
			return RefundMade{}, err
		}
	}
	if call := t.payment().RefundCall(r.Name()); call != nil && call.Answered != nil {
		return RefundMade{Refund: *call.Answered, Payment: t.stored(), Replayed: true}, nil
	}
	form, err := s.reserveRefund(ctx, t, r)
	if err != nil {
		return RefundMade{}, err
	}
	seen, err := s.stripe.OpenRefund(leased, "kasse:"+s.Name+":refund:"+r.Name(), form)
	if err != nil {
		return RefundMade{}, s.concludeFailedRefund(ctx, t, l, r, err)
	}
	seen.Call = r.Name()
	_, err = s.release(ctx, t, l, payment.CauseAPI, payment.Learned{Payment: t.id, Facts: []payment.RecordFact{seen}})
	if err != nil {
		return RefundMade{}, err
	}
	return RefundMade{Refund: seen.View(), Payment: t.stored()}, nil
}

// reserveRefund stores the call with its form before the form is sent.
func (s *Service) reserveRefund(ctx context.Context, t *target, r payment.RefundRequest) (form string, err error) {
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, _ time.Time) (payment.Fact, error) {
		p := o.Loaded[t.id]
		if p == nil {
			return nil, payment.NotFound()
		}
		form = ""
		if call := p.RefundCall(r.Name()); call != nil {
			form = call.Form
		}
		if form == "" {
			left := p.Left()
			if left < max(r.RequestedAmount(), 1) {
				return nil, t.exceeded()
			}
			form = s.stripe.RefundForm(t.id, r.Name(), cmp.Or(r.RequestedAmount(), left), r.Reason)
		}
		return payment.RefundReserved{Payment: t.id, Request: r, Form: form}, nil
	})
	return form, err
}

// concludeFailedRefund saves the failure of a call. An unknown outcome leaves the call open, to be sent
// again.
func (s *Service) concludeFailedRefund(
	ctx context.Context, t *target, l *lease, r payment.RefundRequest, failure error,
) error {
	e, ok := errors.AsType[*payment.Error](failure)
	if !ok || (!e.Refused && !e.Replayed) {
		return failure
	}
	fact := payment.RefundFailed{Payment: t.id, Name: r.Name(), Refused: e.Refused, Replayed: e.Replayed}
	if _, err := s.release(ctx, t, l, payment.CauseAPI, fact); err != nil {
		return err
	}
	if !e.Refused {
		return failure
	}
	err := s.explainRefusal(ctx, t, e)
	if e.Code == payment.CodeAmountOutOfRange && t.payment().Left() < max(r.RequestedAmount(), 1) {
		exceeded := t.exceeded()
		e.Code, e.Detail, e.Fields = exceeded.Code, exceeded.Detail, nil
	}
	return err
}

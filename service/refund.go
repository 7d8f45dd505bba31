package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"
)

// refunder gives money back.
type refunder interface {
	// RefundForm renders what will be sent; it is kept and sent again byte for byte. The call's name goes into the metadata.
	RefundForm(id PaymentID, call string, amount int64, reason string) string
	// OpenRefund sends the form. Its error has Refused set where Stripe said no for good, and Replayed where it says no
	// more; after any other the same call has to be made again.
	OpenRefund(ctx context.Context, idempotencyKey, form string) (RefundSeen, error)
}

// RefundRequest is a backend's call to give money back.
type RefundRequest struct {
	Payment PaymentID
	Caller  string // the service key's name
	Key     string // the caller's idempotency key
	Amount  *int64 // minor units; nil: all that is left
	Reason  string // one of Stripe's, or none
}

// RefundView is a refund as backends see it; its amount is in minor units.
type RefundView struct {
	ID        RefundID     `json:"id"`
	Amount    int64        `json:"amount"`
	Status    RefundStatus `json:"status"`
	Reason    *string      `json:"reason"`
	CreatedAt time.Time    `json:"created_at"`
}

func (f RefundSeen) view() RefundView {
	return RefundView{ID: f.ID, Amount: f.Amount, Status: f.Status, Reason: optional(f.Reason), CreatedAt: time.Unix(f.Created, 0).UTC()}
}

// RefundMade is the answer to a call.
type RefundMade struct {
	Refund   RefundView
	Payment  StoredView
	Replayed bool // the call was made before
}

// refundReasons are the reasons that Stripe takes.
//
// Source: https://docs.stripe.com/api/refunds/create
var refundReasons = []string{"", "duplicate", "fraudulent", "requested_by_customer"}

// Refund gives back so much of a payment, once for one idempotency key of the caller's.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (RefundMade, error) {
	if !slices.Contains(refundReasons, r.Reason) {
		return RefundMade{}, invalid(problems{{Pointer: "/reason", Detail: "must be duplicate, fraudulent or requested_by_customer"}})
	}
	if r.Amount != nil && (*r.Amount < 1 || *r.Amount > MaxAmount) {
		return RefundMade{}, amountOutOfRange()
	}
	p, err := s.payment(ctx, r.Payment)
	if err != nil {
		return RefundMade{}, err
	}
	return insist(ctx, s, p.Standing.Order, func(ctx context.Context) (RefundMade, error) { return s.tryRefund(ctx, r) })
}

// Refunds returns what was given back of a payment, or was to be, oldest first.
func (s *Service) Refunds(ctx context.Context, id PaymentID) ([]RefundView, error) {
	p, err := s.payment(ctx, id)
	if err != nil {
		return nil, err
	}
	list := []RefundView{}
	for _, f := range p.refunds() {
		list = append(list, f.view())
	}
	return list, nil
}

func (s *Service) tryRefund(ctx context.Context, r RefundRequest) (RefundMade, error) {
	p, _, err := s.payments.LoadPayment(ctx, r.Payment)
	if err != nil {
		return RefundMade{}, err
	}
	call := p.recall(r)
	switch {
	case call != nil && !call.sameAs(r):
		return RefundMade{}, &Error{Code: CodeIdempotencyKeyReused, Detail: "This Idempotency-Key was used for another refund of the payment."}
	case call != nil && call.Answered != nil:
		return s.refundMade(ctx, p, *call.Answered, true)
	case !p.received():
		return RefundMade{}, &Error{Code: CodeInvalidState, Detail: "There is nothing to give back: no money has come.", Payment: p.View}
	}
	o, now, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	switch {
	case err != nil:
		return RefundMade{}, err
	case call == nil && !p.hidesRefund(r.name(), now) && p.left() < max(r.asked(), 1):
		return RefundMade{}, p.exceeded()
	case o.Lease.held(now):
		return RefundMade{}, errBusy
	case o.Revision == 0:
		o.revive(p)
	}
	var made RefundMade
	err = s.underLease(ctx, o, now, func(leased context.Context) (err error) {
		made, err = s.giveBack(ctx, leased, r)
		return err
	}, func(*Order) {})
	return made, err
}

// giveBack makes the refund at Stripe, under the lease of the order. Whatever may have been made before is looked for
// first, so that what is left is known.
func (s *Service) giveBack(ctx, leased context.Context, r RefundRequest) (RefundMade, error) {
	p, now, err := s.payments.LoadPayment(ctx, r.Payment)
	if err == nil && p.hidesRefund(r.name(), now) {
		if err = s.Read(leased, r.Payment); err == nil {
			p, now, err = s.payments.LoadPayment(ctx, r.Payment)
		}
	}
	if err != nil {
		return RefundMade{}, err
	}
	if call := p.refundCall(r.name()); call != nil && call.Answered != nil {
		return s.refundMade(ctx, p, *call.Answered, true)
	}
	form, err := s.reserveRefund(ctx, r, now)
	if err != nil {
		return RefundMade{}, err
	}
	seen, err := s.stripe.OpenRefund(leased, "kasse:"+s.Name+":refund:"+r.name(), form)
	if err != nil {
		return RefundMade{}, s.concludeRefund(ctx, r, err)
	}
	seen.Call = r.name()
	p, _, err = s.change(ctx, r.Payment, causeAPI, func(p *Payment) error {
		p.Record = Merge(p.Record, seen)
		return nil
	})
	if err != nil {
		return RefundMade{}, err
	}
	return s.refundMade(ctx, p, seen.view(), false)
}

// reserveRefund notes the call with the form that is sent, before it is.
func (s *Service) reserveRefund(ctx context.Context, r RefundRequest, now time.Time) (form string, err error) {
	_, _, err = s.change(ctx, r.Payment, causeAPI, func(p *Payment) error {
		p.Calls = slices.Clone(p.Calls)
		call := p.refundCall(r.name())
		if call == nil {
			p.dropDoneCalls()
			p.Calls = append(p.Calls, RefundCall{Name: r.name(), Amount: r.asked(), Reason: r.Reason, First: now.UnixMilli()})
			call = &p.Calls[len(p.Calls)-1]
		}
		if call.Form == "" {
			if p.left() < max(r.asked(), 1) {
				return p.exceeded()
			}
			call.Form = s.stripe.RefundForm(p.ID, call.Name, cmp.Or(r.asked(), p.left()), r.Reason)
		}
		call.Tried, call.Refused = now.UnixMilli(), false
		form = call.Form
		return nil
	})
	return form, err
}

// concludeRefund notes Stripe's word on a call that failed. An unknown outcome leaves it as it was, to be sent again.
func (s *Service) concludeRefund(ctx context.Context, r RefundRequest, failure error) error {
	e, ok := errors.AsType[*Error](failure)
	if !ok || (!e.Refused && !e.Replayed) {
		return failure
	}
	p, _, err := s.change(ctx, r.Payment, causeAPI, func(p *Payment) error {
		p.Calls = slices.Clone(p.Calls)
		if call := p.refundCall(r.name()); call != nil && call.Answered == nil {
			call.Refused, call.Unclear = e.Refused, e.Replayed
			if e.Refused {
				call.Form = ""
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !e.Refused:
		return failure
	case e.Code == CodeAmountOutOfRange:
		exceeded := p.exceeded()
		e.Code, e.Detail, e.Fields = exceeded.Code, exceeded.Detail, nil
	}
	return s.explainRefusal(ctx, r.Payment, e)
}

func (s *Service) refundMade(ctx context.Context, p Payment, refund RefundView, replayed bool) (RefundMade, error) {
	stored, err := s.views.LoadView(ctx, p.ID)
	return RefundMade{Refund: refund, Payment: stored, Replayed: replayed}, err
}

// name is what the call is known by, to us and at Stripe; the caller's key is nobody else's business.
func (r RefundRequest) name() string {
	sum := sha256.Sum256([]byte(r.Caller + "\x00" + string(r.Payment) + "\x00" + r.Key))
	return hex.EncodeToString(sum[:])
}

func (r RefundRequest) asked() int64 {
	if r.Amount == nil {
		return 0
	}
	return *r.Amount
}

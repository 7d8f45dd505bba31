package service

import (
	"context"
	"time"

	"kasse/service/payment"
)

// RecordTerms applies the terms of a token that is being minted, and returns their rev, in Unix milliseconds.
// The terms of a won or closed order are frozen, so nothing is recorded.
func (s *Service) RecordTerms(ctx context.Context, r payment.CreateRequest) (rev int64, err error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	t := &target{ref: payment.Ref{Order: r.Order}}
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		rev = o.NextRev(now)
		if o.Frozen() {
			return nil, nil //nolint:nilnil // nothing happens to the order
		}
		return payment.TermsSet{Terms: r.Terms, Rev: rev}, nil
	})
	return rev, err
}

// OrderCustomer returns the order's customer, empty for a guest, and the rev of its terms, in Unix
// milliseconds. It returns payment.CodeNotFound for an order that is not stored.
func (s *Service) OrderCustomer(ctx context.Context, id payment.OrderID) (payment.CustomerID, int64, error) {
	o, _, err := s.orders.LoadOrder(ctx, payment.Ref{Order: id})
	if err != nil {
		return "", 0, err
	}
	customer, known := o.TermsCustomer()
	if !o.Stored() || !known {
		return "", 0, payment.NotFound()
	}
	return customer, max(o.Rev, 1), nil
}

package service

import (
	"context"
	"time"
)

// RecordTerms makes the terms of a token that is being minted the order's, and returns their age, in Unix milliseconds.
// Once the order is won or closed its terms are frozen, and nothing is recorded.
func (s *Service) RecordTerms(ctx context.Context, r CreateRequest) (rev int64, err error) {
	if err := r.validate(); err != nil {
		return 0, err
	}
	_, err = s.changeOrder(ctx, r.Order, func(o *Order, now time.Time) error {
		rev = max(o.Rev+1, now.UnixMilli())
		if o.frozen() {
			return errUnchanged
		}
		o.Terms, o.Rev = r.Terms, rev
		return nil
	})
	return rev, err
}

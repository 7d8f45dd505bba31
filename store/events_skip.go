package store

import (
	"context"
	"math"

	"kasse/service/payment"
)

// skipOthers moves a cursor over a part of the stream in which an order can have no events: before its first payment
// was made, or after its last change. So a query for one order costs as much as the stream of the order's lifetime,
// and not as much as all that EVENT_RETENTION keeps. The clocks of Stripe and of all Redis servers may differ by
// idleMargin, as for other cursors.
func (s *Store) skipOthers(ctx context.Context, at cursor, id payment.OrderID) error {
	n := s.hash(string(id))
	// An event that is appended after this entry comes after it in the stream, for any order.
	newest, err := s.redis.XRevRangeN(ctx, s.partitionAt(n).events(), "+", "-", 1).Result()
	if err != nil || len(newest) == 0 {
		return unavailable(err)
	}
	ref := payment.Ref{Order: id}
	o, _, err := s.LoadOrder(ctx, ref)
	if all := o.Payments(); err == nil && len(all) > len(o.Loaded) {
		o, _, err = s.LoadOrder(ctx, ref, all...)
	}
	if err != nil {
		return err
	}
	first, last, known := o.EventsBetween()
	if !known {
		return nil
	}
	end, begin, passed := parsePosition(newest[0].ID), position{ms: first.Add(-idleMargin).UnixMilli()}, at.after[n]
	target := passed
	switch {
	case passed.compare(begin) < 0:
		target = begin.before()
	case passed.compare(position{last.Add(idleMargin).UnixMilli(), math.MaxInt32}) > 0:
		target = end
	}
	if target.compare(end) > 0 {
		target = end
	}
	if target.compare(passed) > 0 {
		at.after[n] = target
	}
	return nil
}

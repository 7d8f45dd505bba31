package service

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

const (
	leaseMargin = 5 * time.Second        // of a lease over the call to Stripe that it covers
	busyWait    = 5 * time.Second        // for another's change of the same order
	busyPoll    = 500 * time.Millisecond // between looks at the order, should a hint be lost
	mostSteps   = 10                     // that one call may take to bring an order where it belongs
)

var (
	errBusy  = errors.New("order is being changed by another")
	errAgain = errors.New("order has moved on: look at it again")
)

// insist tries a change of an order for as long as others are changing it, up to busyWait. It goes on when the caller
// hangs up: something may be on its way at Stripe.
func insist[T any](ctx context.Context, s *Service, id OrderID, try func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), busyWait+2*s.StripeTimeout)
	defer cancel()
	changed, stop := s.orders.WatchOrder(id)
	defer stop()
	patience, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	var none T
	for steps := 0; steps < mostSteps; {
		done, err := try(ctx)
		switch {
		case errors.Is(err, errAgain):
			steps++
			continue
		case !errors.Is(err, errBusy):
			return done, err
		}
		select {
		case <-changed:
		case <-time.After(busyPoll):
		case <-patience.Done():
		}
		if patience.Err() != nil {
			return none, inProgress()
		}
	}
	return none, inProgress()
}

func inProgress() *Error {
	return &Error{Code: CodeIdempotencyInProgress, Detail: "Another change of this order is in progress.", RetryAfter: time.Second}
}

// underLease writes the order with a lease on it, does the work, and writes what came of it. Stripe is asked with the
// context that the work is given, which ends before the lease does. Whoever has lost the lease meanwhile changes nothing,
// and looks at the order again: errBusy. Otherwise the work's own error comes first.
func (s *Service) underLease(ctx context.Context, o Order, now time.Time, work func(leased context.Context) error, finish func(*Order)) error {
	leased, cancel := context.WithTimeout(ctx, s.StripeTimeout)
	defer cancel()
	o.Lease = Lease{Owner: rand.Text(), Until: now.Add(s.StripeTimeout + leaseMargin).UnixMilli()}
	if err := s.takeLease(ctx, o); err != nil {
		return err
	}
	workErr := work(leased)
	_, err := s.changeOrder(ctx, o.ID, func(latest *Order, _ time.Time) error {
		if latest.Lease.Owner != o.Lease.Owner {
			return errBusy
		}
		finish(latest)
		latest.Lease = Lease{}
		return nil
	})
	if workErr == nil || (err != nil && errors.Is(workErr, errAgain)) {
		return err
	}
	return workErr
}

// takeLease writes an order with its lease. What looks like a conflict may be our own write, whose reply was lost and
// which was sent again: then the lease is ours.
func (s *Service) takeLease(ctx context.Context, o Order) error {
	err := s.orders.SaveOrder(ctx, o)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	latest, _, err := s.orders.LoadOrder(ctx, o.ID)
	if err == nil && latest.Lease.Owner != o.Lease.Owner {
		err = errBusy
	}
	return err
}

package service

import (
	"context"
	"errors"
	"time"
)

// sweeps holds the running payments. They get in and out by the write that changes them.
type sweeps interface {
	// TakeSweeps returns payments whose time has come, and hides them from all replicas for so long.
	TakeSweeps(ctx context.Context, limit int, hide time.Duration) ([]PaymentID, error)
	// ReadsDue counts the reads that wait for a worker.
	ReadsDue(ctx context.Context) (int, error)
}

// sweepAfter is how long a payment may stay in a state before Stripe is asked; the states that it has not are final.
var sweepAfter = map[State]time.Duration{
	ActionRequired: 2 * time.Minute,
	Pending:        15 * time.Minute,
	Failed:         15 * time.Minute,
	InProgress:     time.Hour,
	Authorized:     time.Hour,
}

// sweepAtLatest bounds the pauses between two questions.
const sweepAtLatest = 24 * time.Hour

// sweepAt returns when Stripe is asked about a payment that shows the view, unless it is written before; zero where it is
// final. To wait as long again as it has not changed doubles the pause by itself.
func (s *Service) sweepAt(v View, now time.Time) time.Time {
	least, running := sweepAfter[v.State]
	if !running {
		return time.Time{}
	}
	unchanged := now.Sub(v.UpdatedAt)
	pause := min(max(unchanged, least), sweepAtLatest)
	if left := s.AbandonAfter - unchanged; left > 0 && v.State.payable() {
		pause = min(pause, max(left, least))
	}
	return now.Add(pause)
}

const (
	sweepBatch = 10
	sweepPause = time.Second // between looks for what is due
)

// sweep asks Stripe about every payment whose time has come, and cancels those that nobody has paid for too long. Where
// it fails it ends after a few; what failed comes back by itself.
func (s *Service) sweep(ctx context.Context, t *Tally) error {
	for {
		ids, err := s.sweeps.TakeSweeps(ctx, sweepBatch, readHide)
		if err != nil || len(ids) == 0 {
			return err
		}
		var failed error
		for _, id := range ids {
			failed = errors.Join(failed, s.unlessAlone(ctx, s.sweepOne(ctx, id), id))
			t.Read++
			t.mark(id)
			t.tell()
		}
		if failed != nil {
			return failed
		}
	}
}

func (s *Service) sweepOne(ctx context.Context, id PaymentID) error {
	if err := s.letDoubtsPass(ctx); err != nil {
		return err
	}
	if err := s.ask(ctx, id); err != nil {
		return err
	}
	return s.abandon(ctx, id)
}

// letDoubtsPass waits while payments are in doubt: they come first.
func (s *Service) letDoubtsPass(ctx context.Context) error {
	for {
		due, err := s.sweeps.ReadsDue(ctx)
		if err != nil || due == 0 {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, readPause)
	}
}

// abandon cancels a payment that has just been read, and that nobody has paid for PAYMENT_ABANDON_AFTER. Its order stays
// open. Where somebody is changing the order, the next sweep comes by.
func (s *Service) abandon(ctx context.Context, id PaymentID) error {
	p, now, err := s.payments.LoadPayment(ctx, id)
	if err != nil {
		return err
	}
	view, err := p.stored()
	if err != nil || s.AbandonAfter == 0 || p.Standing.Foreign || !view.State.payable() || now.Sub(view.UpdatedAt) < s.AbandonAfter {
		return err
	}
	if err := s.allow(ctx); err != nil {
		return err
	}
	o, now, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err != nil || o.Revision == 0 || o.Lease.held(now) {
		return err
	}
	err = s.underLease(ctx, o, now, func(leased context.Context) error {
		answer, err := s.stripe.CancelPayment(leased, id, "abandoned")
		return s.learnFrom(ctx, answer, err, p.Record.Seen())
	}, func(*Order) {})
	if errors.Is(err, errAgain) || errors.Is(err, errBusy) {
		return nil
	}
	return err
}

package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// leases lets one replica at a time do what must not be done by two.
type leases interface {
	// TakeLease takes the lease of that name for its owner, or renews it, for so long; false says that another
	// holds it.
	TakeLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error)
	// GiveBackLease ends the lease, if it is the owner's.
	GiveBackLease(ctx context.Context, name, owner string) error
	// LeaseHolder returns the owner of the lease; empty where it is free.
	LeaseHolder(ctx context.Context, name string) (string, error)
}

// How the names of the lease's owners begin. A server without such a name is of a version that knows no passes on
// request.
const (
	ownerServer    = "server."
	ownerReconcile = "reconcile."
	ownerRebuild   = "rebuild."
)

// The lease of what runs by itself.
const (
	netsLease  = "nets"
	leaseLasts = 30 * time.Second
	leaseRenew = 10 * time.Second
	leaseRetry = 3 * time.Second
	leasePoll  = 250 * time.Millisecond // of a command that waits for it
	leaseSlack = 5 * time.Second        // of one's own view of the lease behind Redis's
)

var (
	errLeaseHeld = errors.New("another process holds the lease")
	errLeaseLost = errors.New("the lease was lost")
)

// Reconcile holds the nets under the webhook, until the context ends: it catches up with Stripe's events, sweeps, and
// restores what pages ask for. Of all replicas one does it at a time; another goes on when that one ends, or dies.
func (s *Service) Reconcile(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.exclusively(ctx, ownerServer, s.runNets)
		if err != nil && !errors.Is(err, errLeaseHeld) && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "catch-up and sweep could not run; they are tried again", "error", err)
		}
		pause(ctx, leaseRetry)
	}
}

// exclusively does the work under the lease; its context ends where the lease is lost. It fails with errLeaseHeld where
// another has it.
func (s *Service) exclusively(ctx context.Context, kind string, work func(context.Context) error) error {
	owner := kind + rand.Text()
	taken, err := s.leases.TakeLease(ctx, netsLease, owner, leaseLasts)
	switch {
	case err != nil:
		return err
	case !taken:
		return errLeaseHeld
	}
	held, lose := context.WithCancelCause(ctx)
	var renewing errgroup.Group
	renewing.Go(func() error { s.renew(held, owner, lose); return nil })
	err = work(held)
	lost := context.Cause(held)
	lose(nil)
	_ = renewing.Wait()
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseSlack)
	defer cancel()
	if giveErr := s.leases.GiveBackLease(back, netsLease, owner); giveErr != nil {
		s.Logger.WarnContext(ctx, "the lease runs out by itself", "error", giveErr)
	}
	if errors.Is(lost, errLeaseLost) {
		return lost
	}
	return err
}

// renew renews the lease until the context ends. Where it cannot, the lease is given up before another may have it.
func (s *Service) renew(ctx context.Context, owner string, lose context.CancelCauseFunc) {
	end := time.AfterFunc(leaseLasts-leaseSlack, func() { lose(errLeaseLost) })
	defer end.Stop()
	for pause(ctx, leaseRenew); ctx.Err() == nil; pause(ctx, leaseRenew) {
		switch ours, err := s.leases.TakeLease(ctx, netsLease, owner, leaseLasts); {
		case err != nil:
			s.Logger.WarnContext(ctx, "the lease could not be renewed", "error", err)
		case !ours:
			lose(errLeaseLost)
		default:
			end.Reset(leaseLasts - leaseSlack)
		}
	}
}

// runNets runs all nets until the context ends.
func (s *Service) runNets(ctx context.Context) error {
	s.Logger.InfoContext(ctx, "this replica runs catch-up and sweep")
	var nets errgroup.Group
	nets.Go(func() error { s.repeat(ctx, "catch-up", catchUpEvery, s.catchUpOnce); return nil })
	nets.Go(func() error { s.repeat(ctx, "restore", restoreEvery, s.restoreNext); return nil })
	nets.Go(func() error { s.repeat(ctx, "sweep", sweepPause, s.sweepOnce); return nil })
	nets.Go(func() error { s.repeat(ctx, "index", pruneEvery, s.pruneOnce); return nil })
	nets.Go(func() error { s.servePasses(ctx); return nil })
	return nets.Wait()
}

func (s *Service) sweepOnce(ctx context.Context) error {
	return s.sweep(ctx, &Tally{})
}

// repeat does the work again and again, with a pause after each time, until the context ends.
func (s *Service) repeat(ctx context.Context, name string, every time.Duration, work func(context.Context) error) {
	for ctx.Err() == nil {
		err := work(ctx)
		switch {
		case err == nil:
			s.observer().Reconciled(name)
		case ctx.Err() == nil:
			s.Logger.WarnContext(ctx, "a background task failed; it is tried again", "task", name, "error", err)
		}
		pause(ctx, every)
	}
}

// leaseWait is how long a command waits for the lease.
const leaseWait = 10 * time.Second

// waitExclusively is exclusively for somebody who waits: another process may be about to end.
func (s *Service) waitExclusively(ctx context.Context, kind string, work func(context.Context) error) error {
	patience, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		err := s.exclusively(ctx, kind, work)
		if !errors.Is(err, errLeaseHeld) {
			return err
		}
		if pause(patience, leasePoll); patience.Err() != nil {
			return errors.Join(ctx.Err(), errLeaseHeld)
		}
	}
}

// markDoubts marks what is in doubt, and what a worker has taken and may not have read yet.
func (s *Service) markDoubts(ctx context.Context, t *Tally) error {
	taken, err := s.sweeps.ReadsWithin(ctx, readHide)
	if err != nil {
		return err
	}
	for _, id := range taken {
		t.mark(id)
	}
	for {
		ids, err := s.reads.TakeReads(ctx, readBatch, readHide)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			t.mark(id)
		}
	}
}

// clear asks Stripe about every marked payment until it is in no doubt.
func (s *Service) readMarked(ctx context.Context, t *Tally) error {
	var failed error
	for id := range t.marked {
		failed = errors.Join(failed, s.readUntilCertain(ctx, id, t))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

// certainTries bounds the questions about one payment: its customer may be paying at this moment.
const certainTries = 5

func (s *Service) readUntilCertain(ctx context.Context, id payment.ID, t *Tally) error {
	for range certainTries {
		found, err := s.find(ctx, id)
		switch {
		case errors.Is(err, payment.ErrNotFound): // a refund or dispute of a payment that is not here
			return s.readWithinBudget(ctx, id)
		case err != nil:
			return err
		}
		due := found.order.ReadDue(id, found.now)
		if due.IsZero() {
			return nil
		}
		pause(ctx, due.Sub(found.now))
		dropped, err := s.readOrDrop(ctx, id)
		if err != nil {
			return fmt.Errorf("%s could not be read: %w", id, err)
		}
		t.Read++
		if t.report(); dropped { // an event names a payment that Stripe does not know
			return nil
		}
	}
	return fmt.Errorf("%s is still in doubt", id)
}

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

// leases limit work to one replica at a time.
type leases interface {
	// AcquireLease acquires or renews the lease of that name for its owner. It returns false if another owner
	// has it.
	AcquireLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error)
	// ReleaseLease ends the lease if it is the owner's.
	ReleaseLease(ctx context.Context, name, owner string) error
	// LeaseHolder returns the lease's owner; empty if it is free.
	LeaseHolder(ctx context.Context, name string) (string, error)
}

// Prefixes of the lease owners' names. An owner without one is a server of a version without requested
// passes.
const (
	ownerServer    = "server."
	ownerReconcile = "reconcile."
	ownerRebuild   = "rebuild."
)

// The lease of the background work.
const (
	netsLease  = "tasks"
	leaseLasts = 30 * time.Second
	leaseRenew = 10 * time.Second
	leaseRetry = 3 * time.Second
	leasePoll  = 250 * time.Millisecond // for a command that waits for it
	leaseSlack = 5 * time.Second        // by which a holder considers its lease ended before Redis does
)

var (
	errLeaseHeld = errors.New("another process holds the lease")
	errLeaseLost = errors.New("the lease was lost")
)

// Reconcile runs the tasks until the context ends: catch-up, sweep and restore queue. One replica runs them at
// a time; another takes over when it ends or dies.
func (s *Service) Reconcile(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.exclusively(ctx, ownerServer, s.runBackgroundTasks)
		if err != nil && !errors.Is(err, errLeaseHeld) && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "background tasks: catch-up and sweep could not run, retrying", "error", err)
		}
		pause(ctx, leaseRetry)
	}
}

// exclusively runs work under the lease. The work's context ends if the lease is lost. It returns
// errLeaseHeld if another owner has the lease.
func (s *Service) exclusively(ctx context.Context, kind string, work func(context.Context) error) error {
	owner := kind + rand.Text()
	taken, err := s.leases.AcquireLease(ctx, netsLease, owner, leaseLasts)
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
	if giveErr := s.leases.ReleaseLease(back, netsLease, owner); giveErr != nil {
		s.Logger.WarnContext(ctx, "background tasks: could not release the lease; it expires by itself",
			"error", giveErr)
	}
	if errors.Is(lost, errLeaseLost) {
		return lost
	}
	return err
}

// renew renews the lease until the context ends. If it cannot, it gives the lease up before another owner can
// get it.
func (s *Service) renew(ctx context.Context, owner string, lose context.CancelCauseFunc) {
	end := time.AfterFunc(leaseLasts-leaseSlack, func() { lose(errLeaseLost) })
	defer end.Stop()
	for pause(ctx, leaseRenew); ctx.Err() == nil; pause(ctx, leaseRenew) {
		switch ours, err := s.leases.AcquireLease(ctx, netsLease, owner, leaseLasts); {
		case err != nil:
			s.Logger.WarnContext(ctx, "background tasks: could not renew the lease; if it expires, another replica "+
				"takes over",
				"error", err)
		case !ours:
			lose(errLeaseLost)
		default:
			end.Reset(leaseLasts - leaseSlack)
		}
	}
}

// runBackgroundTasks runs all background tasks until the context ends.
func (s *Service) runBackgroundTasks(ctx context.Context) error {
	s.Logger.InfoContext(ctx, "background tasks: this replica runs catch-up and sweep")
	var tasks errgroup.Group
	tasks.Go(func() error { s.repeat(ctx, "catch-up", catchUpEvery, s.catchUpOnce); return nil })
	tasks.Go(func() error { s.repeat(ctx, "restore", restoreEvery, s.restoreNext); return nil })
	tasks.Go(func() error { s.repeat(ctx, "sweep", sweepPause, s.sweepOnce); return nil })
	tasks.Go(func() error { s.pruneIndex(ctx); return nil })
	tasks.Go(func() error { s.servePasses(ctx); return nil })
	return tasks.Wait()
}

func (s *Service) sweepOnce(ctx context.Context) error {
	return s.sweep(ctx, &Tally{})
}

// repeat runs the work with a pause after each time, until the context ends.
func (s *Service) repeat(ctx context.Context, name string, every time.Duration, work func(context.Context) error) {
	s.repeatPaced(ctx, name, func(ctx context.Context) (time.Duration, error) { return every, work(ctx) })
}

// repeatPaced runs the work until the context ends. After each time it pauses for what the work returned.
func (s *Service) repeatPaced(
	ctx context.Context, name string, work func(context.Context) (time.Duration, error),
) {
	for ctx.Err() == nil {
		every, err := work(ctx)
		switch {
		case err == nil:
			s.observer().Reconciled(name)
		case ctx.Err() == nil:
			s.Logger.WarnContext(ctx, "background tasks: a task failed, retrying", "task", name, "error", err)
		}
		pause(ctx, every)
	}
}

// leaseWait is how long a command waits for the lease.
const leaseWait = 10 * time.Second

// waitExclusively is exclusively with a wait for the lease, since its holder may be about to end.
func (s *Service) waitExclusively(ctx context.Context, kind string, work func(context.Context) error) error {
	waitCtx, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		err := s.exclusively(ctx, kind, work)
		if !errors.Is(err, errLeaseHeld) {
			return err
		}
		if pause(waitCtx, leasePoll); waitCtx.Err() != nil {
			return errors.Join(ctx.Err(), errLeaseHeld)
		}
	}
}

// markUncertain marks the uncertain payments, including those that a worker has claimed and may not have read
// yet.
func (s *Service) markUncertain(ctx context.Context, t *Tally) error {
	taken, err := s.sweeps.ReadsWithin(ctx, readHide)
	if err != nil {
		return err
	}
	for _, id := range taken {
		t.mark(id)
	}
	for {
		ids, err := s.reads.ClaimReads(ctx, readBatch, readHide)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			t.mark(id)
		}
	}
}

// readMarked reads every marked payment until it is certain.
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

// certainTries limits the reads of one payment, since its customer may be paying now.
const certainTries = 5

func (s *Service) readUntilCertain(ctx context.Context, id payment.ID, t *Tally) error {
	for range certainTries {
		found, err := s.find(ctx, id)
		switch {
		case errors.Is(err, payment.ErrNotFound): // a refund or dispute of an unknown payment
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
	return fmt.Errorf("%s: its state is still uncertain after the last read", id)
}

package service

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"
)

// leases lets one replica at a time do what must not be done by two.
type leases interface {
	// TakeLease takes the lease of that name for its owner, or renews it, for so long; false says that another holds it.
	TakeLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error)
	// GiveBackLease ends the lease, if it is the owner's.
	GiveBackLease(ctx context.Context, name, owner string) error
}

// The lease of what runs by itself.
const (
	netsLease  = "nets"
	leaseLasts = 30 * time.Second
	leaseRenew = 10 * time.Second
	leaseRetry = 3 * time.Second
	leaseSlack = 5 * time.Second // of one's own view of the lease behind Redis's
)

var (
	errLeaseHeld = errors.New("another process holds the lease")
	errLeaseLost = errors.New("the lease was lost")
)

// Reconcile holds the nets under the webhook, until the context ends: it catches up with Stripe's events, sweeps, and
// restores what pages ask for. Of all replicas one does it at a time; another goes on when that one ends, or dies.
func (s *Service) Reconcile(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.exclusively(ctx, s.holdNets)
		if err != nil && !errors.Is(err, errLeaseHeld) && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "reconciliation", "error", err)
		}
		pause(ctx, leaseRetry)
	}
}

// exclusively does the work under the lease; its context ends where the lease is lost. It fails with errLeaseHeld where
// another has it.
func (s *Service) exclusively(ctx context.Context, work func(context.Context) error) error {
	owner := rand.Text()
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

// holdNets runs all nets until the context ends.
func (s *Service) holdNets(ctx context.Context) error {
	s.Logger.InfoContext(ctx, "this replica reconciles")
	var nets errgroup.Group
	nets.Go(func() error { s.again(ctx, "sweep", sweepPause, s.sweepOnce); return nil })
	return nets.Wait()
}

func (s *Service) sweepOnce(ctx context.Context) error {
	_, err := s.sweep(ctx)
	return err
}

// again does the work again and again, with a pause after each time, until the context ends.
func (s *Service) again(ctx context.Context, name string, every time.Duration, work func(context.Context) error) {
	for ctx.Err() == nil {
		if err := work(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "reconciliation", "net", name, "error", err)
		}
		pause(ctx, every)
	}
}

package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"kasse/service/payment"
)

// passes hands a pass of catch-up and sweep from a command to the process with the lease.
type passes interface {
	// RequestPass requests a pass, and returns its progress. The request expires some seconds after its last
	// call.
	RequestPass(ctx context.Context, r payment.PassRequest) (payment.PassStanding, error)
	// WithdrawPass removes a request.
	WithdrawPass(ctx context.Context, id string) error
	// ClaimPass returns the oldest open request to the holder of the lease; false if there is none.
	ClaimPass(ctx context.Context, holder string) (payment.PassRequest, bool, error)
	// ReportPass stores the progress or the result of the holder's pass. It returns false if no command waits
	// for it.
	ReportPass(ctx context.Context, id, holder string, done bool, r payment.PassResult) (bool, error)
}

const (
	passFollow = 500 * time.Millisecond // interval at which a command polls its pass
	passBegins = time.Minute            // a server that supports passes has begun the oldest one by then
)

// ReconcileOnce runs one pass of catch-up, over the given period, and sweep. It returns when every uncertain
// payment has been read, and returns an error if one could not be read. With verify it also reads every
// payment that has succeeded in the period. If a server is running, the server with the lease runs the pass,
// and the tally follows it.
func (s *Service) ReconcileOnce(ctx context.Context, since time.Duration, verify bool, t *Tally) error {
	_, began, err := s.catchUps.LoadCatchUp(ctx)
	if err != nil {
		return err
	}
	from := began.Add(-since).Truncate(time.Second)
	c := &passCommand{Service: s, tally: t}
	c.PassRequest = payment.PassRequest{ID: rand.Text(), From: from, Verify: verify}
	defer c.withdraw(ctx)
	for {
		began := false
		err := s.exclusively(ctx, ownerReconcile, func(ctx context.Context) error {
			began = true
			c.withdraw(ctx)
			t.restart()
			t.alone = true
			return s.reconcileFrom(ctx, from, t)
		})
		switch {
		case errors.Is(err, errLeaseHeld):
		case ctx.Err() == nil && (errors.Is(err, errLeaseLost) || !began && !c.idleFor(leaseWait)):
		case verify && ctx.Err() == nil: // without the lease, since a server may start meanwhile
			return errors.Join(err, s.verifySince(ctx, from, t))
		default:
			return err
		}
		if done, err := c.follow(ctx); done || ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		pause(ctx, passFollow)
	}
}

// reconcileFrom runs one pass of catch-up, from a time, and sweep.
func (s *Service) reconcileFrom(ctx context.Context, from time.Time, t *Tally) error {
	began, err := s.catchUps.BeginCatchUp(ctx)
	if err != nil {
		return err
	}
	if err := s.catchUp(ctx, from, t); err != nil {
		return err
	}
	if began.Done.IsZero() || !from.After(began.Done) { // otherwise the next pass must cover the gap
		err = s.saveCatchUp(ctx, began)
	}
	return errors.Join(err, s.sweep(ctx, t), s.markUncertain(ctx, t), s.readMarked(ctx, t))
}

// passCommand is a command that waits for its pass.
type passCommand struct {
	*Service
	payment.PassRequest
	tally  *Tally
	asked  bool      // the request is in Redis
	holder string    // server that has begun the pass; empty: none yet
	idle   time.Time // since when no server works on it; zero: one does
}

// withdraw removes the request, so that no server begins the pass again. Otherwise it expires.
func (c *passCommand) withdraw(ctx context.Context) {
	if !c.asked {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseSlack)
	defer cancel()
	c.asked = c.passes.WithdrawPass(ctx, c.ID) != nil
}

// follow checks who has the lease, and the progress of the pass. It reports whether the command ends.
func (c *passCommand) follow(ctx context.Context) (done bool, err error) {
	holder, err := c.leases.LeaseHolder(ctx, netsLease)
	switch {
	case err != nil:
		return c.idleFor(leaseWait), err
	case holder == "": // it takes the lease next time
	case strings.HasPrefix(holder, ownerServer):
		return c.followServer(ctx)
	case strings.HasPrefix(holder, ownerReconcile):
		c.idle = time.Time{}
		c.tally.announce("another kasse reconcile is running; waiting until it ends")
	case strings.HasPrefix(holder, ownerRebuild):
		return c.idleFor(leaseWait), fmt.Errorf("%w: kasse rebuild runs", errLeaseHeld)
	case !c.idleFor(leaseWait):
	case c.Verify:
		c.Logger.WarnContext(ctx, "the server that holds the lease is an older version that accepts no requests; it "+
			"runs its own passes, and this command only verifies successes")
		return true, c.verifySince(ctx, c.From, c.tally)
	default:
		return true, fmt.Errorf("%w: a server of an older version, which accepts no requests and runs its own passes; "+
			"update it or stop it", errLeaseHeld)
	}
	return false, nil
}

// followServer requests the pass from the server, or its progress. It reports whether the command ends.
func (c *passCommand) followServer(ctx context.Context) (done bool, err error) {
	standing, err := c.passes.RequestPass(ctx, c.PassRequest)
	if err != nil {
		return c.idleFor(leaseWait), err
	}
	c.asked = true
	switch {
	case standing.Started && standing.Holder != c.holder:
		if c.holder != "" {
			c.tally.announce("the server that ran the pass has ended; another server starts it again")
		} else {
			c.tally.announce("a running server runs the pass")
		}
		c.holder = standing.Holder
	case !standing.Started && !standing.First:
		c.tally.announce("a running server first runs the pass of another command")
	case !standing.Started:
		return c.idleFor(passBegins), errors.New("the server that holds the lease did not start the pass in time")
	}
	c.idle = time.Time{}
	if standing.Started {
		c.tally.adopt(standing.PassResult)
	}
	if standing.Done && standing.Failed != "" {
		return true, fmt.Errorf("the pass failed on the server: %s", standing.Failed)
	}
	return standing.Done, nil
}

// idleFor reports whether no server has worked on it for d.
func (c *passCommand) idleFor(d time.Duration) bool {
	now := time.Now() //nolint:forbidigo // it measures, and dates nothing
	if c.idle.IsZero() {
		c.idle = now
	}
	return now.Sub(c.idle) > d
}

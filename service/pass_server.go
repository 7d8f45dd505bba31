package service

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

const (
	passPoll = 500 * time.Millisecond // interval of checks for a request
	passNote = time.Second            // interval of progress reports
)

// servePasses runs the requested passes, one after the other, until the lease's context ends.
func (s *Service) servePasses(ctx context.Context) {
	holder := rand.Text()
	for ; ctx.Err() == nil; pause(ctx, passPoll) {
		r, found, err := s.passes.ClaimPass(ctx, holder)
		switch {
		case err != nil && ctx.Err() == nil:
			s.Logger.WarnContext(ctx, "passes: could not read the requests of kasse reconcile, retrying", "error", err)
		case found:
			s.servePass(ctx, r, holder)
		}
	}
}

// servePass runs one pass and reports its progress. It ends early if the command is gone. If the lease is
// lost it reports nothing, and the next holder runs the pass again.
func (s *Service) servePass(ctx context.Context, r payment.PassRequest, holder string) {
	s.Logger.InfoContext(
		ctx, "passes: started the pass that kasse reconcile requested", "from", r.From, "verify", r.Verify,
	)
	work, stop := context.WithCancel(ctx)
	defer stop()
	var latest noted
	var noting errgroup.Group
	noting.Go(func() error { s.notePass(work, stop, r.ID, holder, &latest); return nil })
	t := Tally{Report: func(t Tally) { latest.set(t.result()) }}
	err := s.reconcileFrom(work, r.From, &t)
	if r.Verify && work.Err() == nil {
		err = errors.Join(err, s.verifySince(work, r.From, &t))
	}
	gone := work.Err() != nil
	stop()
	_ = noting.Wait()
	if gone {
		s.Logger.InfoContext(ctx, "passes: stopped early: the command or the lease has ended")
		return
	}
	result := t.result()
	if err != nil {
		result.Failed = strings.ToValidUTF8(err.Error()[:min(len(err.Error()), passErrorBytes)], "")
	}
	s.Logger.InfoContext(ctx, "passes: finished", "events", result.Events,
		"applied", result.Applied, "read", result.Read, "verified", result.Verified, "error", err)
	if _, err := s.passes.ReportPass(ctx, r.ID, holder, true, result); err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "passes: could not store the result; the pass is run again", "error", err)
	}
}

// notePass reports the pass's progress until its context ends, and stops the pass if no command waits for it.
func (s *Service) notePass(ctx context.Context, stop func(), id, holder string, latest *noted) {
	for pause(ctx, passNote); ctx.Err() == nil; pause(ctx, passNote) {
		wanted, err := s.passes.ReportPass(ctx, id, holder, false, latest.get())
		if err == nil && !wanted {
			stop()
		}
	}
}

// noted is the progress of a pass, for the reporting goroutine.
type noted struct {
	mu     sync.Mutex
	result payment.PassResult
}

func (n *noted) set(r payment.PassResult) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.result = r
}

func (n *noted) get() payment.PassResult {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.result
}

// passErrorBytes limits the error of a pass in Redis. It contains payment ids and no secret, since it is also
// logged.
const passErrorBytes = 2_000

package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// lister reads Stripe's lists from a moment on, each page after the row that the page before named.
type lister interface {
	// ListEvents gives the events that can change a payment.
	ListEvents(ctx context.Context, since time.Time, after string) (payment.Page[payment.StripeEvent], error)
	ListRefunds(ctx context.Context, since time.Time, after string) (payment.Page[payment.ListedReversal], error)
	ListDisputes(ctx context.Context, since time.Time, after string) (payment.Page[payment.ListedReversal], error)
}

// catchUps keeps up to when Stripe's events have been caught up with.
type catchUps interface {
	// LoadCatchUp returns zero where they never were, and Redis's clock.
	LoadCatchUp(ctx context.Context) (done, now time.Time, err error)
	// SaveCatchUp never goes back.
	SaveCatchUp(ctx context.Context, done time.Time) error
}

const (
	catchUpEvery  = 5 * time.Minute
	catchUpMargin = time.Hour // an event may be made late, and clocks differ
)

// CatchUpFirst is how far back the first catch-up looks: as long as Stripe tries to deliver.
const CatchUpFirst = 72 * time.Hour

// Tally counts what a pass of the nets has come to. It belongs to one goroutine.
type Tally struct {
	Events  int // of Stripe's, looked at
	Applied int // events that no webhook had brought
	Read    int // payments that Stripe was asked about

	Verified    int              // payments that have succeeded, and that were read for that
	Denied      []payment.Denied // the first thousand of these that Stripe does not know to be paid
	DeniedCount int              // how many there are

	marked map[payment.ID]bool // that the pass has to read
	alone  bool                // no worker of this process reads what is in doubt, so that nothing waits for one
	Report func(Tally)         // called at progress; may be nil
	Say    func(string)        // called once with who makes the pass, or what it waits for; may be nil
	said   string
}

// say passes on what has changed beside the numbers.
func (t *Tally) say(text string) {
	if t.Say != nil && text != t.said {
		t.Say(text)
	}
	t.said = text
}

// restart begins to count anew.
func (t *Tally) restart() { *t = Tally{Report: t.Report, Say: t.Say} }

// result is what another process gets to see.
func (t *Tally) result() payment.PassResult {
	return payment.PassResult{
		Events: t.Events, Applied: t.Applied, Read: t.Read, Verified: t.Verified, Denied: t.Denied,
		DeniedCount: t.DeniedCount,
	}
}

// take takes over what another process has counted.
func (t *Tally) take(r payment.PassResult) {
	t.Events, t.Applied, t.Read, t.Verified = r.Events, r.Applied, r.Read, r.Verified
	t.Denied, t.DeniedCount = r.Denied, r.DeniedCount
	t.report()
}

func (t *Tally) report() {
	if t.Report != nil {
		t.Report(*t)
	}
}

func (t *Tally) mark(id payment.ID) {
	if t.marked == nil {
		t.marked = map[payment.ID]bool{}
	}
	t.marked[id] = true
}

// readList reads a list to its end, within the budget of background reads.
func readList[T any](
	ctx context.Context, s *Service, list func(context.Context, time.Time, string) (payment.Page[T], error),
	since time.Time, each func(T) error,
) error {
	for after := ""; ; {
		if err := s.waitReadBudget(ctx); err != nil {
			return err
		}
		page, err := list(ctx, since, after)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := each(item); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		after = page.Next
	}
}

// catchUpOnce catches up from where the last pass ended.
func (s *Service) catchUpOnce(ctx context.Context) error {
	done, now, err := s.catchUps.LoadCatchUp(ctx)
	if err != nil {
		return err
	}
	since := done.Add(-catchUpMargin)
	if done.IsZero() {
		since = now.Add(-CatchUpFirst)
	}
	var t Tally
	if err := s.catchUp(ctx, since, &t); err != nil {
		return err
	}
	if t.Applied > 0 {
		s.Logger.InfoContext(
			ctx, "caught up with events that no webhook had brought", "events", t.Events, "applied", t.Applied,
		)
	}
	return s.catchUps.SaveCatchUp(ctx, now)
}

// catchUp applies all events since a moment as webhooks are applied. Then it looks for new refunds and disputes, of
// which events may never have been made.
func (s *Service) catchUp(ctx context.Context, since time.Time, t *Tally) error {
	err := readList(
		ctx, s, s.stripe.ListEvents, since, func(e payment.StripeEvent) error { return s.applyListed(ctx, e, t) },
	)
	if err != nil {
		return err
	}
	return s.readNewReversals(ctx, since, t)
}

// applyListed applies one event. An error of a single payment must not keep the events of all others away.
func (s *Service) applyListed(ctx context.Context, e payment.StripeEvent, t *Tally) error {
	t.Events++
	t.report()
	if e.Unreadable != "" {
		s.Logger.WarnContext(ctx, "an event of Stripe's list cannot be decoded",
			"event", e.ID, "type", e.Type, "reason", e.Unreadable)
		_, err := s.requestRead(ctx, e)
		return s.tolerateRecordError(ctx, err, e.Payment)
	}
	e.Listed = true
	outcome, err := s.applyEvent(ctx, e, nil)
	if outcome == Applied {
		t.Applied++
		t.mark(e.Subject())
	}
	return s.tolerateRecordError(ctx, err, e.Subject())
}

// tolerateRecordError logs an error that concerns the record of one payment only, and returns any other.
func (s *Service) tolerateRecordError(ctx context.Context, err error, id payment.ID) error {
	var e *payment.Error
	if errors.As(err, &e) && e.Code == payment.CodeInternal {
		s.Logger.ErrorContext(
			ctx, "the record of a payment cannot be used; it is left out", "payment_intent", id, "error", err,
		)
		return nil
	}
	return err
}

// readNewReversals reads every payment of which a list shows a refund or a dispute that is not known yet. A payment
// that is not known here may be one of another system; it is read once a day at most.
func (s *Service) readNewReversals(ctx context.Context, since time.Time, t *Tally) error {
	look := func(g payment.ListedReversal) error {
		target, err := s.find(ctx, g.Payment)
		switch {
		case errors.Is(err, payment.ErrNotFound):
			_, err := s.reads.WantRead(ctx, g.Payment)
			return err
		case err != nil:
			return s.tolerateRecordError(ctx, err, g.Payment)
		case target.payment().Record.Knows(g):
			return nil
		}
		t.Read++
		t.report()
		return s.tolerateRecordError(ctx, s.readWithinBudget(ctx, g.Payment), g.Payment)
	}
	if err := readList(ctx, s, s.stripe.ListRefunds, since, look); err != nil {
		return err
	}
	return readList(ctx, s, s.stripe.ListDisputes, since, look)
}

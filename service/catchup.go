package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// lister reads Stripe's lists since a time, each page after the last row of the page before.
type lister interface {
	// ListEvents lists the events that can change a payment.
	ListEvents(ctx context.Context, since time.Time, after string) (payment.Page[payment.StripeEvent], error)
	ListRefunds(ctx context.Context, since time.Time, after string) (payment.Page[payment.ListedReversal], error)
	ListDisputes(ctx context.Context, since time.Time, after string) (payment.Page[payment.ListedReversal], error)
}

// catchUps stores the cursor of the catch-up.
type catchUps interface {
	// LoadCatchUp returns the cursor, zero if there is none, and Redis's clock.
	LoadCatchUp(ctx context.Context) (done, now time.Time, err error)
	// BeginCatchUp returns the same, and which masters Redis has.
	BeginCatchUp(ctx context.Context) (payment.CatchUp, error)
	// SaveCatchUp stores the start of a finished pass as the cursor, unless the cursor would go back. It returns
	// payment.ErrFailover, and stores nothing, if a master was replaced since.
	SaveCatchUp(ctx context.Context, began payment.CatchUp) error
}

const (
	catchUpEvery  = 5 * time.Minute
	catchUpMargin = time.Hour // events may be made late, and clocks differ
)

// CatchUpFirst is the period of the first catch-up: as long as Stripe retries deliveries.
const CatchUpFirst = 72 * time.Hour

// Tally counts the results of a reconcile pass. One goroutine owns it.
type Tally struct {
	Events  int // listed events
	Applied int // events that no webhook had delivered
	Read    int // payments read at Stripe

	Verified    int              // successful payments that were read to verify them
	Denied      []payment.Denied // the first thousand of these that are not paid at Stripe
	DeniedCount int              // number of these

	marked map[payment.ID]bool // payments that the pass must read
	alone  bool                // no read worker runs in this process, so the sweep does not wait for one
	Report func(Tally)         // called after each change of the counts; may be nil
	// Called once with the process that runs the pass, or with the reason of waiting; may be nil.
	Say  func(string)
	said string
}

// announce passes a text to the function Say.
func (t *Tally) announce(text string) {
	if t.Say != nil && text != t.said {
		t.Say(text)
	}
	t.said = text
}

// restart resets the counts.
func (t *Tally) restart() { *t = Tally{Report: t.Report, Say: t.Say} }

// result converts the counts for another process.
func (t *Tally) result() payment.PassResult {
	return payment.PassResult{
		Events: t.Events, Applied: t.Applied, Read: t.Read, Verified: t.Verified, Denied: t.Denied,
		DeniedCount: t.DeniedCount,
	}
}

// adopt takes over the counts of another process.
func (t *Tally) adopt(r payment.PassResult) {
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

// readList reads a whole list, within the budget of background reads.
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

// catchUpOnce continues where the last pass ended.
func (s *Service) catchUpOnce(ctx context.Context) error {
	began, err := s.catchUps.BeginCatchUp(ctx)
	if err != nil {
		return err
	}
	since := began.Done.Add(-catchUpMargin)
	if began.Done.IsZero() {
		since = began.Now.Add(-CatchUpFirst)
	}
	var t Tally
	if err := s.catchUp(ctx, since, &t); err != nil {
		return err
	}
	if t.Applied > 0 {
		s.Logger.InfoContext(
			ctx, "catch-up: applied events that no webhook had delivered", "events", t.Events, "applied", t.Applied,
		)
	}
	return s.saveCatchUp(ctx, began)
}

// saveCatchUp stores the cursor. After a failover during the pass the cursor stays, since the new master may have lost
// events that the pass had applied: the next pass lists them again.
func (s *Service) saveCatchUp(ctx context.Context, began payment.CatchUp) error {
	err := s.catchUps.SaveCatchUp(ctx, began)
	if errors.Is(err, payment.ErrFailover) {
		s.Logger.InfoContext(
			ctx, "catch-up: a master of Redis was replaced or restarted; the next pass lists the same events again",
		)
		return nil
	}
	return err
}

// catchUp applies all events since a time as webhooks. Then it looks for new refunds and disputes, whose
// events may be missing.
func (s *Service) catchUp(ctx context.Context, since time.Time, t *Tally) error {
	err := readList(
		ctx, s, s.stripe.ListEvents, since, func(e payment.StripeEvent) error { return s.applyListed(ctx, e, t) },
	)
	if err != nil {
		return err
	}
	return s.readNewReversals(ctx, since, t)
}

// applyListed applies one event. An error about a single payment does not stop the others.
func (s *Service) applyListed(ctx context.Context, e payment.StripeEvent, t *Tally) error {
	t.Events++
	t.report()
	if e.Unreadable != "" {
		s.Logger.WarnContext(ctx, "catch-up: cannot decode an event of Stripe's list; its payment is read",
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

// tolerateRecordError logs an error about a single payment's record, and returns any other error.
func (s *Service) tolerateRecordError(ctx context.Context, err error, id payment.ID) error {
	var e *payment.Error
	if errors.As(err, &e) && e.Code == payment.CodeInternal {
		s.Logger.ErrorContext(
			ctx, "catch-up or sweep: skipped a payment whose stored record cannot be read", "payment_intent", id,
			"error", err,
		)
		return nil
	}
	return err
}

// readNewReversals reads every payment with a listed refund or dispute that is not stored. An unknown payment
// may belong to another system, so it is read once a day at most.
func (s *Service) readNewReversals(ctx context.Context, since time.Time, t *Tally) error {
	look := func(g payment.ListedReversal) error {
		target, err := s.find(ctx, g.Payment)
		switch {
		case errors.Is(err, payment.ErrNotFound):
			_, err := s.reads.QueueRead(ctx, g.Payment)
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

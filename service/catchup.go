package service

import (
	"context"
	"errors"
	"time"
)

// Page is a stretch of a list of Stripe's, newest first; Next is where to go on, empty at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// GivenBack is a refund or a dispute as a list names it.
type GivenBack struct {
	ID      string // "re_…", "dp_…"
	Status  string // verbatim
	Payment PaymentID
	Created int64 // Unix seconds
}

// lister reads Stripe's lists from a moment on, each page after the row that the page before named.
type lister interface {
	// ListEvents gives the events that can change a payment.
	ListEvents(ctx context.Context, since time.Time, after string) (Page[Notice], error)
	ListRefunds(ctx context.Context, since time.Time, after string) (Page[GivenBack], error)
	ListDisputes(ctx context.Context, since time.Time, after string) (Page[GivenBack], error)
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

	marked map[PaymentID]bool // that the pass has to read
	Tell   func(Tally)        // hears of progress; may be nil
}

func (t *Tally) tell() {
	if t.Tell != nil {
		t.Tell(*t)
	}
}

func (t *Tally) mark(id PaymentID) {
	if t.marked == nil {
		t.marked = map[PaymentID]bool{}
	}
	t.marked[id] = true
}

// readList reads a list to its end, within the budget of background reads.
func readList[T any](ctx context.Context, s *Service, list func(context.Context, time.Time, string) (Page[T], error), since time.Time, each func(T) error) error {
	for after := ""; ; {
		if err := s.allow(ctx); err != nil {
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
		s.Logger.InfoContext(ctx, "caught up with events that no webhook had brought", "events", t.Events, "applied", t.Applied)
	}
	return s.catchUps.SaveCatchUp(ctx, now)
}

// catchUp takes all events since a moment the way that webhooks go. Then it looks for new refunds and disputes, of which
// events may never have been made.
func (s *Service) catchUp(ctx context.Context, since time.Time, t *Tally) error {
	err := readList(ctx, s, s.stripe.ListEvents, since, func(n Notice) error { return s.takeListed(ctx, n, t) })
	if err != nil {
		return err
	}
	return s.lookForGivenBack(ctx, since, t)
}

// takeListed takes one event. What is wrong with a single payment must not keep those of all others away.
func (s *Service) takeListed(ctx context.Context, n Notice, t *Tally) error {
	t.Events++
	t.tell()
	if n.Unreadable != "" {
		s.Logger.WarnContext(ctx, "an event of Stripe's list cannot be read", "event", n.ID, "type", n.Type, "reason", n.Unreadable)
		return nil
	}
	outcome, err := s.take(ctx, n, nil)
	if outcome == Applied {
		t.Applied++
		t.mark(n.subject())
	}
	return s.unlessAlone(ctx, err, n.subject())
}

// unlessAlone logs an error that is of one payment's record only, and returns any other.
func (s *Service) unlessAlone(ctx context.Context, err error, id PaymentID) error {
	var e *Error
	if errors.As(err, &e) && e.Code == CodeInternal {
		s.Logger.ErrorContext(ctx, "reconciliation", "payment_intent", id, "error", err)
		return nil
	}
	return err
}

// lookForGivenBack reads every payment of which a list shows a refund or a dispute that is not known yet.
func (s *Service) lookForGivenBack(ctx context.Context, since time.Time, t *Tally) error {
	look := func(ofStrangers bool) func(GivenBack) error {
		return func(g GivenBack) error {
			p, _, err := s.payments.LoadPayment(ctx, g.Payment)
			if err != nil {
				return s.unlessAlone(ctx, err, g.Payment)
			}
			if (p.Revision == 0 && !ofStrangers) || p.Record.knows(g) {
				return nil
			}
			t.Read++
			t.tell()
			return s.unlessAlone(ctx, s.ask(ctx, g.Payment), g.Payment)
		}
	}
	if err := readList(ctx, s, s.stripe.ListRefunds, since, look(false)); err != nil {
		return err
	}
	return readList(ctx, s, s.stripe.ListDisputes, since, look(true))
}

// knows reports whether the record has the refund or dispute as it is. One that a list of all did not show, although it
// was there by then, is not of the charge that counts.
func (r *Record) knows(g GivenBack) bool {
	if refund, seen := r.Refunds[RefundID(g.ID)]; seen {
		return refund.Status == RefundStatus(g.Status)
	}
	if kept := r.Disputes[DisputeID(g.ID)]; len(kept) > 0 {
		return kept[len(kept)-1].Status == g.Status
	}
	return r.Ledger != nil && g.Created < r.Ledger.At-window
}

// subject is the payment that the event is about.
func (n Notice) subject() PaymentID {
	if n.Intent != nil {
		return n.Intent.ID
	}
	return n.Payment
}

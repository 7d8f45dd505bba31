package service

import (
	"context"
	"errors"
	"time"
)

// Intent is a PaymentIntent as Stripe showed it, in our words.
type Intent struct {
	ID           PaymentID
	Created      int64 // Unix seconds
	Livemode     bool
	ClientSecret Secret
	Snapshot
}

// Answer is a PaymentIntent in an answer of Stripe.
type Answer struct {
	Intent
	RequestID     string   // of the answer, Stripe's "req_…"
	Date          int64    // Unix seconds, of the answer
	Stale         bool     // a replay, or the answer to a repeated call: it may be older than its date
	CaptureBefore int64    // Unix seconds, the end of an authorisation; zero where there is none
	Returns       *Returns // only in the answer to a read, and after money came
}

// Returns is all that was given back of a payment, or is claimed back, as Stripe listed it.
type Returns struct {
	Refunds  []RefundSeen
	Disputes []DisputeSeen // dated by whoever merges them
}

// reader asks Stripe for the truth.
type reader interface {
	// RetrievePayment answers with the Returns too. It fails with CodeNotFound where Stripe knows no such PaymentIntent.
	RetrievePayment(ctx context.Context, id PaymentID) (Answer, error)
}

// readQueue holds the payments that Stripe has to be asked about. They get in and out by the write that finds a doubt
// or ends it.
type readQueue interface {
	// TakeReads returns payments whose time has come, and hides them from all replicas for so long.
	TakeReads(ctx context.Context, limit int, hide time.Duration) ([]PaymentID, error)
	// WantRead puts a payment into the queue that has no record.
	WantRead(ctx context.Context, id PaymentID) error
	// DropRead takes a payment out of every queue that no write will.
	DropRead(ctx context.Context, id PaymentID) error
	// AllowRead takes one of so many reads a second, shared by all replicas, or says how long to wait.
	AllowRead(ctx context.Context, perSecond int) (time.Duration, error)
}

const (
	readPause = 250 * time.Millisecond // between looks into an empty queue
	readBatch = 50
	readHide  = time.Minute // after which another replica tries what this one did not finish
)

// Attend asks Stripe about the payments whose events leave a doubt, and cancels those that their order no longer wants,
// until the context ends.
func (s *Service) Attend(ctx context.Context) {
	for ctx.Err() == nil {
		ids, err := s.reads.TakeReads(ctx, readBatch, readHide)
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "read queue", "error", err)
		}
		for _, id := range ids {
			if err := s.ask(ctx, id); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "read", "payment_intent", id, "error", err)
			}
		}
		if len(ids) < readBatch {
			pause(ctx, readPause)
		}
	}
}

// ask reads a payment when the budget allows it, and forgets one that is not ours.
func (s *Service) ask(ctx context.Context, id PaymentID) error {
	if err := s.allow(ctx); err != nil {
		return err
	}
	err := s.Read(ctx, id)
	if errors.Is(err, ErrNotFound) {
		err = s.reads.DropRead(ctx, id)
	}
	return err
}

// allow waits for a place in the budget of background reads.
func (s *Service) allow(ctx context.Context) error {
	for {
		wait, err := s.reads.AllowRead(ctx, s.StripeReads)
		if err != nil || wait == 0 {
			return errors.Join(err, ctx.Err())
		}
		pause(ctx, wait)
	}
}

// Read asks Stripe for one payment and merges the answer; one that its order no longer wants is cancelled instead, with
// the same kind of answer. It fails with ErrNotFound where the payment is not ours.
func (s *Service) Read(ctx context.Context, id PaymentID) error {
	p, _, err := s.payments.LoadPayment(ctx, id)
	if err != nil {
		return err
	}
	covers := p.Record.Seen()
	if p.unwanted() {
		answer, err := s.stripe.CancelPayment(ctx, id, "")
		if err = s.learnFrom(ctx, answer, err, covers); !errors.Is(err, errAgain) {
			return err
		}
		return nil
	}
	if p.unnoted() {
		return s.noteClosed(ctx, p)
	}
	answer, err := s.stripe.RetrievePayment(ctx, id)
	var e *Error
	if errors.As(err, &e) && e.Code == CodeNotFound {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	_, err = s.learn(ctx, answer, covers, causeRead)
	return err
}

// noteClosed tells Stripe that the order was closed with this payment: a rebuild learns it from nobody else. Where Stripe
// refuses, it stays so.
func (s *Service) noteClosed(ctx context.Context, p Payment) error {
	o, _, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err != nil {
		return err
	}
	if o.Closed != "" {
		err = s.stripe.NoteClosed(ctx, p.ID, o.Closed)
	}
	if err != nil && !refused(err) {
		return err
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "Stripe does not note that the order was closed", "payment_intent", p.ID, "error", err)
	}
	_, _, err = s.change(ctx, p.ID, causeAPI, func(p *Payment) error {
		p.Standing.Noted = o.Closed != ""
		return s.place(ctx, p)
	})
	return err
}

// learn merges an answer of Stripe; covers are the events and answers known when the question was asked.
func (s *Service) learn(ctx context.Context, a Answer, covers []string, cause string) (Payment, error) {
	p, _, err := s.change(ctx, a.ID, cause, func(p *Payment) error { return s.absorb(ctx, p, a, covers) })
	return p, err
}

func (s *Service) absorb(ctx context.Context, p *Payment, a Answer, covers []string) error {
	if err := s.introduce(ctx, p, a.Intent); err != nil {
		return err
	}
	if a.Stale {
		if p.Record.Empty() { // nothing else is known
			p.Record = Merge(p.Record, Opening{Sighting{At: a.Created, Snapshot: a.Snapshot}})
		}
		p.Record = Merge(p.Record, Doubt(a.Date))
		return s.place(ctx, p)
	}
	p.Record = Merge(p.Record, Read{
		Sighting: Sighting{At: a.Date, Snapshot: a.Snapshot}, IDs: []string{a.RequestID}, Covers: covers, CaptureBefore: a.CaptureBefore,
	})
	p.Record = a.Returns.merge(p.Record, a.Date, covers)
	return s.place(ctx, p)
}

// merge adds the facts of a list that was made at a date, in Unix seconds, with some events known.
func (l *Returns) merge(r Record, date int64, covers []string) Record {
	if l == nil {
		return r
	}
	for _, refund := range l.Refunds {
		r = Merge(r, refund)
	}
	for _, dispute := range l.Disputes {
		dispute.At = date
		r = Merge(r, dispute)
	}
	return Merge(r, Ledger{At: date, Covers: covers})
}

// introduce gives a payment that is seen for the first time its place in its order. A PaymentIntent whose metadata does
// not name this service is not ours, and ends with ErrNotFound. An order without a record is restored from it.
func (s *Service) introduce(ctx context.Context, p *Payment, intent Intent) error {
	if p.SecretHash == "" {
		p.SecretHash = intent.ClientSecret.Hash()
	}
	if p.Revision > 0 {
		return nil
	}
	origin := OriginOf(intent.Metadata)
	if origin.Service != s.Name || intent.Livemode != s.Livemode || !origin.Order.Valid() {
		return ErrNotFound
	}
	order, err := s.changeOrder(ctx, origin.Order, func(o *Order, _ time.Time) error {
		if o.Revision > 0 {
			return errUnchanged
		}
		o.rebuild([]Listed{{Intent: intent}})
		return nil
	})
	if err != nil {
		return err
	}
	p.Livemode, p.Record.Created = intent.Livemode, intent.Created
	p.Standing = order.standing(intent.ID, origin, intent.Snapshot)
	p.Standing.Noted = origin.Closed != ""
	return nil
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

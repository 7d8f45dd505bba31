package service

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// Payment is what is kept of one PaymentIntent.
type Payment struct {
	ID         PaymentID `json:"-"`
	Revision   int64     `json:"-"` // raised by every write, also one that changes nothing visible; 0: never stored
	View       []byte    `json:"-"` // as rendered by the last write
	SecretHash string    `json:"-"` // hex SHA-256 of the client secret
	Livemode   bool      `json:"livemode,omitempty"`
	Record     Record    `json:"record"`
	Standing   Standing  `json:"standing"`

	Calls []RefundCall `json:"calls,omitempty"` // of backends to give money back, oldest first
}

// PaymentWrite is one compare-and-set of a payment, with all that has to happen in the same write.
type PaymentWrite struct {
	Payment            // Revision is the one that was loaded
	Version int64      // of the view
	History []byte     // an entry of the history, JSON; none when nothing visible changed
	Event   *Announced // an entry of the stream; none when nothing is to be told
	Now     time.Time  // by Redis's clock, when it was loaded
	ReadAt  time.Time  // when a read is wanted; zero: none is
	SweepAt time.Time  // when Stripe is asked although nothing is in doubt; zero: never
	Final   bool       // the payment may expire, after its retention

	before, after View // what was shown, and what is
}

// Announced is a transition that backends are told of; its data is the view.
type Announced struct {
	ID   string // <payment>.<version>
	Type string // order.<state>, superseded.<state>, …

	Restored bool // by a rebuild: backends may have heard of it before
}

// payments keeps the payments. Every call answers with Redis's own clock, the only one that all replicas share.
type payments interface {
	// LoadPayment returns the payment, with Revision 0 where it was never stored.
	LoadPayment(ctx context.Context, id PaymentID) (Payment, time.Time, error)
	// SavePayment writes all or nothing: it fails with ErrConflict unless the stored revision is the write's.
	SavePayment(ctx context.Context, w PaymentWrite) error
}

// conflictTries bounds how often one write is tried again after somebody else's.
const conflictTries = 50

// change loads a payment, edits it, and writes it if that made a difference; whoever was faster is merged with. It
// reports whether anything was written. Repeating it is always safe.
func (s *Service) change(ctx context.Context, id PaymentID, cause string, edit func(*Payment) error) (Payment, bool, error) {
	for try := range conflictTries {
		s.giveWay(ctx, try)
		p, now, err := s.payments.LoadPayment(ctx, id)
		if err != nil {
			return p, false, err
		}
		before := p
		if err := edit(&p); err != nil {
			return p, false, err
		}
		if err := s.settle(ctx, before, &p); err != nil {
			return p, false, err
		}
		if p.Record.Empty() || reflect.DeepEqual(before, p) {
			return p, false, nil
		}
		w, err := s.prepare(ctx, &p, now, cause)
		if err != nil {
			return p, false, err
		}
		err = s.payments.SavePayment(ctx, w)
		switch {
		case err == nil:
			s.observe(ctx, before, w)
			return s.welcome(ctx, before, w.Payment)
		case !errors.Is(err, ErrConflict):
			return p, false, err
		}
	}
	return Payment{}, false, &Error{Code: CodeStoreUnavailable, Detail: "The payment is being changed by too many at once.", Cause: ErrConflict}
}

// prepare renders a payment's write. Where the payment may expire, its order is made to outlive it first.
func (s *Service) prepare(ctx context.Context, p *Payment, now time.Time, cause string) (PaymentWrite, error) {
	if s.rebuilding {
		cause = causeRebuild
	}
	w, err := p.write(now, cause)
	if err != nil {
		return w, err
	}
	if w.Event != nil {
		w.Event.Restored = s.rebuilding
	}
	w.SweepAt = s.sweepAt(w.after, now)
	if w.Final && !p.Standing.Foreign {
		err = s.orders.OutliveOrder(ctx, p.Standing.Order)
	}
	return w, err
}

// giveWay waits a little, and longer at each try, so that many writers of one record do not meet again.
func (s *Service) giveWay(ctx context.Context, try int) {
	if try > 0 {
		pause(ctx, s.Jitter(time.Duration(try)*time.Millisecond))
	}
}

// welcome asks the order once more of a payment that was stored for the first time: whoever changed the order just before
// that found no payment to tell.
func (s *Service) welcome(ctx context.Context, before, p Payment) (Payment, bool, error) {
	if before.Revision > 0 || p.Standing.Foreign {
		return p, true, nil
	}
	p, _, err := s.change(ctx, p.ID, causeAPI, func(p *Payment) error { return s.place(ctx, p) })
	return p, true, err
}

package service

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// CreateRequest is an order to be paid, as a backend or a token that a backend signed asks for it.
type CreateRequest struct {
	Order                     OrderID
	Terms                     Terms
	Rev                       int64 // age of a token's terms, in Unix milliseconds; zero: a service key's, of this moment
	Description               string
	ReceiptEmail              string
	StatementDescriptorSuffix string
	Metadata                  map[string]string
	Session                   SessionFeatures
	Reopen                    bool // a service key opens a closed order again
}

// Opened is a payment that the customer may pay now.
type Opened struct {
	ID           PaymentID
	View         []byte
	Version      int64
	ClientSecret Secret
	Session      *Session // nil without a customer
	New          bool     // made by this call
}

// opener is what create asks of Stripe.
type opener interface {
	// PaymentForm renders what will be sent for an attempt; it is kept and sent again byte for byte.
	PaymentForm(r CreateRequest, terms Terms, attempt int, rev int64) string
	// OpenPayment sends the form. Its error has Refused set where Stripe said no for good, and Replayed where it says no
	// more; after any other the same call has to be made again.
	OpenPayment(ctx context.Context, idempotencyKey, form string) (Answer, error)
	// FindPayment lists the PaymentIntents made since a moment, with the customer if there is one, for the attempt of the
	// order; nil where there is none.
	FindPayment(ctx context.Context, order OrderID, a Attempt) (*Answer, error)
	// OpenSession makes a CustomerSession; it fails with CodeCustomerNotFound.
	OpenSession(ctx context.Context, customer CustomerID, features SessionFeatures) (Session, error)
}

// Create opens a payment for the order, or hands out the one that is open, at the order's terms. A create that meets
// another in progress waits for it.
func (s *Service) Create(ctx context.Context, r CreateRequest) (Opened, error) {
	if err := r.validate(); err != nil {
		return Opened{}, err
	}
	return insist(ctx, s, r.Order, func(ctx context.Context) (Opened, error) { return s.tryCreate(ctx, r) })
}

// tryCreate looks at the order as it stands, and does the one thing that has to be done next.
func (s *Service) tryCreate(ctx context.Context, r CreateRequest) (Opened, error) {
	order, now, err := s.orders.LoadOrder(ctx, r.Order)
	if err != nil {
		return Opened{}, err
	}
	if order.Lease.held(now) {
		return Opened{}, errBusy
	}
	p, err := s.current(ctx, order)
	if err != nil {
		return Opened{}, err
	}
	heard, refusal := order, order.admit(p, r)
	heard.agree() // whoever proposed has died, or does not know Stripe's answer
	conflict := heard.hear(r, now)
	news := conflict == nil && (heard.Terms != order.Terms || heard.Rev != order.Rev)
	last := heard.last()
	switch {
	case refusal != nil && news && !order.frozen(): // what stands in the way of the payment does not in that of the terms
		return Opened{}, s.save(ctx, heard)
	case refusal != nil:
		return Opened{}, refusal
	case conflict != nil:
		return Opened{}, conflict
	case order.Winner != "": // its payment's own write was lost: Stripe says that it is paid
		return s.handOut(ctx, order, p, r)
	case last != nil && last.Payment == "":
		return Opened{}, s.send(ctx, heard, *last, now)
	case last == nil || p.canceled():
		return s.openNext(ctx, heard, r, now)
	case order.Closed != "":
		return Opened{}, s.withdraw(ctx, heard, p, now)
	case news:
		return Opened{}, s.save(ctx, heard)
	}
	return s.handOut(ctx, heard, p, r)
}

// current loads the payment that the order stands for, an empty one where there is none.
func (s *Service) current(ctx context.Context, o Order) (Payment, error) {
	id := o.Current()
	if id == "" {
		return Payment{}, nil
	}
	p, _, err := s.payments.LoadPayment(ctx, id)
	return p, err
}

// save writes an order that needs no lease; then it has to be looked at again.
func (s *Service) save(ctx context.Context, o Order) error {
	err := s.orders.SaveOrder(ctx, o)
	switch {
	case errors.Is(err, ErrConflict):
		return errBusy
	case err != nil:
		return err
	}
	return errAgain
}

// handOut asks Stripe for the secrets of the order's open payment. They are handed out only if the answer still shows it
// open, and at the order's terms; otherwise it is brought there first.
func (s *Service) handOut(ctx context.Context, o Order, p Payment, r CreateRequest) (Opened, error) {
	attempt := o.attemptOf(p.ID)
	m := s.sideBySide(ctx, o.Terms.Customer, attempt.Session, func() (a Answer, err error) {
		a, p, err = s.readForRepeat(ctx, attempt.Payment, p.Record.Seen())
		return a, err
	})
	if m.payErr != nil {
		return Opened{}, m.payErr
	}
	if err := o.admit(p, r); err != nil {
		return Opened{}, err
	}
	switch shown := p.Record.Show().Snapshot; {
	case p.canceled():
		return Opened{}, errAgain
	case !attempt.fits(o.Terms, shown):
		return Opened{}, s.adapt(ctx, o.ID, p)
	}
	return m.opened(p, false)
}

// readForRepeat asks Stripe for an open payment and merges the answer, once for all who repeat its create at the same
// moment: each answer is a fact that is written, and a thousand writers of one record stand in each other's way.
func (s *Service) readForRepeat(ctx context.Context, id PaymentID, covers []string) (Answer, Payment, error) {
	type result struct {
		answer  Answer
		payment Payment
	}
	shared, err, _ := s.lookups.Do("repeat "+string(id), func() (any, error) {
		var r result
		var err error
		if r.answer, err = s.stripe.RetrievePayment(ctx, id); err == nil {
			r.payment, err = s.learn(ctx, r.answer, covers, causeRead)
		}
		return r, err
	})
	r, _ := shared.(result)
	return r.answer, r.payment, err
}

// made is what Stripe answered to a pair of calls.
type made struct {
	Answer
	session    *Session
	payErr     error
	sessionErr error
}

// sideBySide asks for the PaymentIntent and a CustomerSession at the same time. Neither cancels the other: a
// PaymentIntent that was made has to be known.
func (s *Service) sideBySide(ctx context.Context, customer CustomerID, features *SessionFeatures, pay func() (Answer, error)) made {
	var m made
	var both errgroup.Group
	both.Go(func() error {
		m.session, m.sessionErr = s.newSession(ctx, customer, features)
		return nil
	})
	m.Answer, m.payErr = pay()
	_ = both.Wait()
	return m
}

// opened is the answer to a create. A session that failed is the answer too; the repeat heals it.
func (m made) opened(p Payment, fresh bool) (Opened, error) {
	if m.sessionErr != nil {
		return Opened{}, m.sessionErr
	}
	view, err := p.stored()
	return Opened{ID: p.ID, View: p.View, Version: view.Version, ClientSecret: m.ClientSecret, Session: m.session, New: fresh}, err
}

// canceled reports whether the payment came to nothing and made way for the next.
func (p *Payment) canceled() bool {
	return !p.Record.Empty() && stateOf(p.Record.Show().Snapshot, p.Record.Received) == CanceledState
}

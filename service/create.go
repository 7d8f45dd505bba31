package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// CreateRequest is what a backend asks for: an order to be paid.
type CreateRequest struct {
	Order                     OrderID
	Terms                     Terms
	Description               string
	ReceiptEmail              string
	StatementDescriptorSuffix string
	Metadata                  map[string]string
	Session                   SessionFeatures
	Reopen                    bool
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
	PaymentForm(r CreateRequest, attempt int, rev int64) string
	// OpenPayment sends the form. Its error has Refused set where Stripe said no for good; any other leaves it open
	// whether there is a PaymentIntent, and the same call has to be made again.
	OpenPayment(ctx context.Context, idempotencyKey, form string) (Answer, error)
	// OpenSession makes a CustomerSession; it fails with CodeCustomerNotFound.
	OpenSession(ctx context.Context, customer CustomerID, features SessionFeatures) (Session, error)
}

const (
	createWait  = 5 * time.Second        // for another create of the same order
	createPoll  = 500 * time.Millisecond // between looks at the order, should a hint be lost
	leaseMargin = 5 * time.Second        // of the lease over the call to Stripe that it covers
)

// Create opens a payment for the order, or hands out the one that is open. A create that meets another in progress
// waits for it. It goes on when its caller hangs up: a PaymentIntent may be on its way.
func (s *Service) Create(ctx context.Context, r CreateRequest) (Opened, error) {
	if err := r.validate(); err != nil {
		return Opened{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createWait+s.StripeTimeout+leaseMargin)
	defer cancel()
	changed, stop := s.orders.WatchOrder(r.Order)
	defer stop()
	patience := time.NewTimer(createWait)
	defer patience.Stop()
	for {
		opened, err := s.tryCreate(ctx, r)
		if !errors.Is(err, errBusy) {
			return opened, err
		}
		select {
		case <-changed:
		case <-time.After(createPoll):
		case <-patience.C:
			return Opened{}, &Error{Code: CodeIdempotencyInProgress, Detail: "Another create for this order is in progress.", RetryAfter: time.Second}
		}
	}
}

// errBusy says that the order has changed, or is being changed, under this create.
var errBusy = errors.New("order is being changed by another")

// tryCreate looks at the order as it stands, and does the one thing that has to be done.
func (s *Service) tryCreate(ctx context.Context, r CreateRequest) (Opened, error) {
	order, now, err := s.orders.LoadOrder(ctx, r.Order)
	if err != nil {
		return Opened{}, err
	}
	last := order.last()
	switch {
	case order.Lease.held(now):
		return Opened{}, errBusy
	case last == nil:
		return s.openNext(ctx, order, r, now)
	case last.Payment == "" && last.Terms == r.Terms:
		return s.openAgain(ctx, order, *last, now)
	case last.Payment == "":
		return Opened{}, orderConflict()
	}
	return s.repeat(ctx, order, r, now)
}

// openNext reserves the next attempt of the order, with the form that will be sent, and sends it.
func (s *Service) openNext(ctx context.Context, o Order, r CreateRequest, now time.Time) (Opened, error) {
	rev := max(o.Rev+1, now.UnixMilli())
	attempt := Attempt{Terms: r.Terms, Session: &r.Session, Form: s.stripe.PaymentForm(r, len(o.Attempts)+1, rev)}
	o.reserve(attempt, rev, now)
	return s.openAgain(ctx, o, *o.last(), now)
}

// openAgain takes the order's lease for a reserved attempt, and asks Stripe for its payment. Whoever has lost the lease
// meanwhile hands nothing out and looks at the order again.
func (s *Service) openAgain(ctx context.Context, o Order, a Attempt, now time.Time) (Opened, error) {
	o.Lease = Lease{Owner: rand.Text(), Until: now.Add(s.StripeTimeout + leaseMargin).UnixMilli()}
	if err := s.orders.SaveOrder(ctx, o); errors.Is(err, ErrConflict) {
		return Opened{}, errBusy
	} else if err != nil {
		return Opened{}, err
	}
	if err := s.supersede(ctx, o, a.Number); err != nil {
		return Opened{}, err
	}
	m := s.sideBySide(ctx, a, func(ctx context.Context) (Answer, error) {
		return s.stripe.OpenPayment(ctx, fmt.Sprintf("kasse:%s:%s:%d", s.Name, o.ID, a.Number), a.Form)
	})
	if err := s.conclude(ctx, o, a.Number, m); err != nil {
		return Opened{}, err
	}
	p, err := s.storeOpened(ctx, m.Answer)
	if err != nil {
		return Opened{}, err
	}
	return m.opened(p, true)
}

// supersede marks the payments of earlier attempts, before a later one is asked for.
func (s *Service) supersede(ctx context.Context, o Order, number int) error {
	for _, a := range o.Attempts[:number-1] {
		if a.Payment == "" {
			continue
		}
		_, _, err := s.change(ctx, a.Payment, causeAPI, func(p *Payment) error {
			p.Standing.Superseded = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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
func (s *Service) sideBySide(ctx context.Context, a Attempt, pay func(context.Context) (Answer, error)) made {
	var m made
	var both errgroup.Group
	both.Go(func() error {
		m.session, m.sessionErr = s.newSession(ctx, a.Terms.Customer, a.Session)
		return nil
	})
	m.Answer, m.payErr = pay(ctx)
	_ = both.Wait()
	return m
}

// conclude writes Stripe's word into the order, and lets it go. An unknown outcome leaves the attempt as it was
// reserved, for the next create to send again.
func (s *Service) conclude(ctx context.Context, held Order, number int, m made) error {
	_, err := s.changeOrder(ctx, held.ID, func(o *Order, _ time.Time) error {
		if o.Lease.Owner != held.Lease.Owner {
			return errBusy
		}
		switch {
		case m.payErr == nil:
			o.answered(number, m.ID)
		case refused(m.payErr):
			o.refuse(number)
		default:
			o.Lease = Lease{}
		}
		return nil
	})
	if m.payErr != nil {
		return m.payErr
	}
	return err
}

// storeOpened stores a PaymentIntent as it was made. One that Stripe only remembers may have moved on: it is read.
func (s *Service) storeOpened(ctx context.Context, a Answer) (Payment, error) {
	p, _, err := s.change(ctx, a.ID, causeAPI, func(p *Payment) error {
		if err := s.introduce(ctx, p, a.Intent); err != nil {
			return err
		}
		p.Record = Merge(p.Record, Opening{Sighting{At: a.Created, Snapshot: a.Snapshot}})
		if a.Stale {
			p.Record = Merge(p.Record, Doubt(a.Date))
		}
		return nil
	})
	return p, err
}

// repeat hands out the order's open payment again, or opens the next attempt where the last was cancelled.
func (s *Service) repeat(ctx context.Context, o Order, r CreateRequest, now time.Time) (Opened, error) {
	current := o.Current()
	p, _, err := s.payments.LoadPayment(ctx, current)
	if err != nil {
		return Opened{}, err
	}
	if p.Revision > 0 {
		if next, err := o.mayRepeat(p, r); err != nil {
			return Opened{}, err
		} else if next {
			return s.openNext(ctx, o, r, now)
		}
	} else if o.Terms != r.Terms {
		return Opened{}, orderConflict()
	}
	return s.handOut(ctx, o, current, p.Record.Seen(), r)
}

// mayRepeat says whether the order's payment stands in the way of a create, or has made way for the next attempt.
func (o *Order) mayRepeat(p Payment, r CreateRequest) (next bool, err error) {
	view, err := p.stored()
	switch {
	case err != nil:
		return false, err
	case view.State.won():
		return false, &Error{Code: CodeOrderAlreadyPaid, Detail: "The order has been paid.", Payment: p.View}
	case view.State.inProgress():
		return false, &Error{Code: CodePaymentInProgress, Detail: "A payment of this order is on its way.", Payment: p.View}
	case o.Closed != "" && !r.Reopen:
		return false, &Error{Code: CodeOrderClosed, Detail: "The order was closed; a service key may reopen it."}
	case o.Terms != r.Terms:
		return false, orderConflict()
	}
	return view.State == CanceledState, nil
}

// handOut asks Stripe for the secrets of a payment that is open, and hands them out if the answer still shows it so.
func (s *Service) handOut(ctx context.Context, o Order, id PaymentID, covers []string, r CreateRequest) (Opened, error) {
	m := s.sideBySide(ctx, *o.attemptOf(id), func(ctx context.Context) (Answer, error) {
		return s.stripe.RetrievePayment(ctx, id)
	})
	if m.payErr != nil {
		return Opened{}, m.payErr
	}
	p, err := s.learn(ctx, m.Answer, covers)
	if err != nil {
		return Opened{}, err
	}
	if next, err := o.mayRepeat(p, r); err != nil {
		return Opened{}, err
	} else if next {
		return Opened{}, errBusy
	}
	return m.opened(p, false)
}

// opened is the answer to a create. A session that failed is the answer too; the repeat heals it.
func (m made) opened(p Payment, fresh bool) (Opened, error) {
	if m.sessionErr != nil {
		return Opened{}, m.sessionErr
	}
	view, err := p.stored()
	return Opened{ID: p.ID, View: p.View, Version: view.Version, ClientSecret: m.ClientSecret, Session: m.session, New: fresh}, err
}

func orderConflict() *Error {
	return &Error{Code: CodeOrderConflict, Detail: "The order was opened with other terms (amount, currency, customer, capture_method or setup_future_usage)."}
}

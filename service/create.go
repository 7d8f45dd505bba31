package service

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// Opened is a payment that the customer may pay now.
type Opened struct {
	ID           payment.ID
	View         []byte
	Version      int64
	ClientSecret payment.Secret
	Session      *payment.Session // nil without a customer
	New          bool             // made by this call
}

// opener is what create asks of Stripe.
type opener interface {
	// PaymentForm renders what is sent for an attempt. It is kept and sent again byte for byte.
	PaymentForm(r payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string
	// OpenPayment sends the form. Its error has Refused set where Stripe has made nothing for good, Replayed where
	// Stripe only repeats an old failure, and Mismatch where it remembers the key with another form. After any
	// other error the same call has to be made again.
	OpenPayment(ctx context.Context, idempotencyKey, form string) (payment.Answer, error)
	// FindPayments lists the PaymentIntents of the order that were made in a period, newest first; of one customer
	// where one is given. The list is complete, and each answer may be older than its date.
	FindPayments(
		ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
	) ([]payment.Answer, error)
	// OpenSession makes a CustomerSession. It fails with CodeCustomerNotFound.
	OpenSession(ctx context.Context, customer payment.CustomerID, f payment.SessionFeatures) (payment.Session, error)
}

// Create opens a payment for the order, or hands out the one that is open, at the order's terms. A create that meets
// another in progress waits for it.
func (s *Service) Create(ctx context.Context, r payment.CreateRequest) (Opened, error) {
	if err := r.Validate(); err != nil {
		return Opened{}, err
	}
	l := newLease()
	t := &target{ref: payment.Ref{Order: r.Order}}
	opened, err := retryOrderChange(ctx, s, r.Order, func(ctx context.Context) (Opened, next, error) {
		if !l.taken { // what other calls have written meanwhile counts
			t.loaded, t.id = false, ""
		}
		return s.createStep(ctx, t, l, r)
	})
	s.end(context.WithoutCancel(ctx), t, l)
	if r.Rev != 0 { // a token's
		opened.View = payment.TokenPart(opened.View)
	}
	return opened, err
}

// createStep looks at the order as it stands, and carries out the one step that is next.
func (s *Service) createStep(ctx context.Context, t *target, l *lease, r payment.CreateRequest) (Opened, next, error) {
	if !t.loaded {
		if err := s.load(ctx, t); err != nil {
			return Opened{}, done, err
		}
	}
	step := t.order.NextStep(r, l.owner, t.now)
	var opened Opened
	var n next
	var err error
	switch step.Kind {
	case payment.StepWait:
		return Opened{}, busy, nil
	case payment.StepRefuse:
		return Opened{}, done, step.Err
	case payment.StepSave:
		n, err = again, s.saveFact(ctx, t, step.Fact)
	case payment.StepList:
		n, err = again, s.listUnknown(ctx, t, l, step.Fact)
	case payment.StepSearch:
		n, err = again, s.search(ctx, t, l, step.Attempt)
	case payment.StepResend:
		n, err = again, s.resend(ctx, t, l, step)
	case payment.StepOpen:
		opened, n, err = s.openNext(ctx, t, l, r, step.Fact)
	case payment.StepWithdraw:
		n, err = again, s.withdraw(ctx, t, l, step.Payment, step.Fact)
	case payment.StepHandOut:
		opened, n, err = s.handOut(ctx, t, l, step.Payment, r)
	}
	if errors.Is(err, errBusy) {
		t.loaded = false
		return Opened{}, busy, nil
	}
	return opened, n, err
}

// saveFact writes a fact that needs no lease.
func (s *Service) saveFact(ctx context.Context, t *target, fact payment.Fact) error {
	first := true
	_, err := s.apply(ctx, t, payment.CauseAPI, func(*payment.Order, time.Time) (payment.Fact, error) {
		if !first { // the step was for the order as it was
			return nil, nil //nolint:nilnil // nothing happened to the order
		}
		first = false
		return fact, nil
	})
	return err
}

// openNext reserves the next attempt, with the form that is sent, and asks Stripe for it.
func (s *Service) openNext(
	ctx context.Context, t *target, l *lease, r payment.CreateRequest, terms payment.Fact,
) (Opened, next, error) {
	session, err := r.SessionFor(nil)
	if err != nil {
		return Opened{}, done, err
	}
	planned := t.order
	if terms != nil {
		planned, _ = t.order.Apply(terms, t.now)
	}
	forgotten, err := s.adoptForgotten(ctx, t, l)
	if err != nil || forgotten {
		return Opened{}, again, err
	}
	number := len(planned.Attempts) + 1
	form := s.stripe.PaymentForm(r, planned.Terms, number, planned.Rev)
	revision := t.order.Revision
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if o.Revision != revision {
			return nil, errBusy // the form is for the order as it was
		}
		until := now.Add(s.StripeTimeout + leaseMargin)
		return payment.All{
			terms, payment.Reserved{Form: form, Session: session}, payment.Leased{Owner: l.owner, Until: until},
		}, nil
	})
	if err != nil {
		return Opened{}, done, err
	}
	l.taken = true
	return s.open(ctx, t, l, number)
}

// resend sends the form of a reserved attempt again, of which Stripe's answer is not known.
func (s *Service) resend(ctx context.Context, t *target, l *lease, step payment.Step) error {
	if err := s.take(ctx, t, l, step.Fact, payment.Tried{Number: step.Attempt.Number}); err != nil {
		return err
	}
	_, _, err := s.open(ctx, t, l, step.Attempt.Number)
	if payment.Refused(err) && step.Attempt.Terms != t.order.Terms { // what was refused is no longer asked for
		return nil
	}
	return err
}

// open asks Stripe for the payment of a reserved attempt, under the order's lease, and saves what came of it.
func (s *Service) open(ctx context.Context, t *target, l *lease, number int) (Opened, next, error) {
	a := t.order.Attempts[number-1]
	leased, cancel := s.stripeContext(ctx)
	defer cancel()
	m := s.openWithSession(leased, a.Terms.Customer, a.Session, func() (payment.Answer, error) {
		return s.stripe.OpenPayment(leased, payment.IdempotencyKey(s.Name, t.order.ID, number), a.Form)
	})
	if m.payErr != nil {
		return Opened{}, again, s.concludeFailed(ctx, t, l, number, m.payErr)
	}
	seen := payment.Seen{
		Intent: m.Intent, Facts: []payment.RecordFact{m.CreationFact()}, Complete: !m.Stale,
		Key: payment.IdempotencyKey(s.Name, t.order.ID, number),
	}
	if m.Stale { // Stripe only remembers it, so that it may have moved on
		seen.Facts = append(seen.Facts, payment.StaleResponse(m.Date))
	}
	t.id = m.ID
	held, err := s.concludeOpened(ctx, t, l, seen)
	current := t.order.Attempt(m.ID)
	switch {
	case errors.Is(err, errForeign):
		return Opened{}, again, s.cancelUnattached(ctx, m.ID)
	case err != nil:
		return Opened{}, done, err
	case !held || m.Stale || current == nil || current.Superseded || t.order.Closed != "" || t.order.Terms != a.Terms:
		return Opened{}, again, nil
	}
	return m.opened(t, true)
}

// concludeOpened saves the payment that was made. Where the lease was lost, what Stripe has made is a fact all the
// same.
func (s *Service) concludeOpened(ctx context.Context, t *target, l *lease, seen payment.Seen) (held bool, err error) {
	origin := payment.OriginOf(seen.Intent.Metadata)
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, _ time.Time) (payment.Fact, error) {
		held = o.Lease.Owner == l.owner
		if o.Place(seen.Intent.ID, origin) == payment.Foreign {
			return nil, errForeign
		}
		o.WithoutPointer()
		return payment.All{seen, payment.Released{Owner: l.owner}}, nil
	})
	if err == nil {
		l.taken = false
	}
	return held, err
}

// cancelUnattached cancels a payment that was just made for an attempt which has another payment: Redis had
// forgotten that one, and Stripe the key. No caller has its secret yet.
func (s *Service) cancelUnattached(ctx context.Context, id payment.ID) error {
	if _, err := s.stripe.CancelPayment(ctx, id, "duplicate"); err != nil && shownIn(err) == nil {
		return err
	}
	return nil
}

// concludeFailed saves Stripe's answer to an attempt that came to nothing. An unknown outcome leaves the attempt as
// it was reserved, to be sent again. It returns the failure, or nil where the order has to be looked at again.
func (s *Service) concludeFailed(ctx context.Context, t *target, l *lease, number int, failure error) error {
	e, _ := errors.AsType[*payment.Error](failure)
	var fact payment.Fact
	switch {
	case payment.Refused(failure):
		fact = payment.AttemptRefused{Number: number}
	case e != nil && (e.Replayed || e.Mismatch):
		fact = payment.AttemptUnclear{Number: number, Mismatch: e.Mismatch}
	}
	if _, err := s.release(ctx, t, l, payment.CauseAPI, fact); err != nil {
		return err
	}
	if e != nil && e.Mismatch { // what was made under the key can be listed at once
		return nil
	}
	return failure
}

// opening is what Stripe answered to a pair of calls.
type opening struct {
	payment.Answer
	session    *payment.Session
	payErr     error
	sessionErr error
}

// openWithSession asks for the PaymentIntent and a CustomerSession at the same time. Neither cancels the other: a
// PaymentIntent that was made has to be known.
func (s *Service) openWithSession(
	ctx context.Context, customer payment.CustomerID, f *payment.SessionFeatures, pay func() (payment.Answer, error),
) opening {
	var m opening
	var both errgroup.Group
	both.Go(func() error {
		m.session, m.sessionErr = s.newSession(ctx, customer, f)
		return nil
	})
	m.Answer, m.payErr = pay()
	_ = both.Wait()
	return m
}

// opened is the answer to a create. A session that failed is the answer too; the repeat heals it.
func (m opening) opened(t *target, fresh bool) (Opened, next, error) {
	if m.sessionErr != nil {
		return Opened{}, done, m.sessionErr
	}
	view, _ := t.order.View(m.ID)
	return Opened{
		ID: m.ID, View: t.order.Render(
			m.ID,
		), Version: view.Version, ClientSecret: m.ClientSecret, Session: m.session, New: fresh,
	}, done, nil
}

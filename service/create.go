package service

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// Opened is a payment that the customer can pay now.
type Opened struct {
	ID           payment.ID
	View         []byte
	Version      int64
	ClientSecret payment.Secret
	Session      *payment.Session // nil without a customer
	New          bool             // made by this call
}

// opener opens payments at Stripe.
type opener interface {
	// PaymentForm renders the request of an attempt. The form is stored and repeated byte for byte.
	PaymentForm(r payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string
	// OpenPayment sends the form. Its error has Refused if Stripe has made nothing permanently, Replayed if
	// Stripe only repeats an old failure, and Mismatch if it has the key with another form. After any other
	// error the call must be repeated.
	OpenPayment(ctx context.Context, idempotencyKey, form string) (payment.Answer, error)
	// FindPayments lists the PaymentIntents of the order made in a period, newest first; of one customer, if
	// one is given. The list is complete. Each answer may be older than its date.
	FindPayments(
		ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
	) ([]payment.Answer, error)
	// OpenSession makes a CustomerSession. It returns CodeCustomerNotFound for an unknown customer.
	OpenSession(ctx context.Context, customer payment.CustomerID, f payment.SessionFeatures) (payment.Session, error)
}

// Create opens a payment for the order, or returns the open one, with the order's terms. It waits for another
// create of the same order.
func (s *Service) Create(ctx context.Context, r payment.CreateRequest) (Opened, error) {
	if err := r.Validate(); err != nil {
		return Opened{}, err
	}
	l := newLease()
	t := &target{ref: payment.Ref{Order: r.Order}}
	opened, err := retryOrderChange(ctx, s, r.Order, func(ctx context.Context) (Opened, next, error) {
		if !l.taken { // changes by other calls meanwhile count
			t.loaded, t.id = false, ""
		}
		return s.createStep(ctx, t, l, r)
	})
	s.end(context.WithoutCancel(ctx), t, l)
	if r.Rev != 0 { // a token's terms
		opened.View = payment.TokenPart(opened.View)
	}
	return opened, lostAtStripe(err)
}

// lostAtStripe returns the error of a create whose order has a PaymentIntent that Stripe does not know: the test data
// was deleted, or the key is another account's. A create names no payment, so that a 404 would mislead.
func lostAtStripe(err error) error {
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeNotFound {
		return err
	}
	lost := *e
	lost.Code = payment.CodeStripeError
	lost.Detail = "Stripe does not know the order's PaymentIntent: its test data was deleted, or STRIPE_SECRET_KEY is " +
		"another account's."
	return &lost
}

// createStep decides the next step from the current order and carries it out.
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

// saveFact saves a fact that needs no lease.
func (s *Service) saveFact(ctx context.Context, t *target, fact payment.Fact) error {
	first := true
	_, err := s.apply(ctx, t, payment.CauseAPI, func(*payment.Order, time.Time) (payment.Fact, error) {
		if !first { // the step was decided for the earlier order
			return nil, nil //nolint:nilnil // nothing happened to the order
		}
		first = false
		return fact, nil
	})
	return err
}

// openNext reserves the next attempt with its form, and opens it at Stripe.
func (s *Service) openNext(
	ctx context.Context, t *target, l *lease, r payment.CreateRequest, terms payment.Fact,
) (Opened, next, error) {
	session, err := r.SessionFor(nil)
	if err != nil {
		return Opened{}, done, err
	}
	before := t.order
	err = s.adoptForgotten(ctx, t, l)
	if err != nil || len(t.order.Attempts) != len(before.Attempts) || t.order.Rev != before.Rev ||
		t.order.Frozen() != before.Frozen() { // the step was decided for another order
		return Opened{}, again, err
	}
	planned := t.order
	if terms != nil {
		planned, _ = t.order.Apply(terms, t.now)
	}
	number := len(planned.Attempts) + 1
	form := s.stripe.PaymentForm(r, planned.Terms, number, planned.Rev)
	revision := t.order.Revision
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if o.Revision != revision {
			return nil, errBusy // the form is of the earlier order
		}
		until := now.Add(s.StripeTimeout + leaseMargin)
		return payment.All{
			terms,
			payment.Reserved{Form: form, Session: session, Reopens: r.Reopen},
			payment.Leased{Owner: l.owner, Until: until},
		}, nil
	})
	if err != nil {
		return Opened{}, done, err
	}
	l.taken = true
	return s.open(ctx, t, l, number)
}

// resend repeats the form of a reserved attempt whose response is unknown.
func (s *Service) resend(ctx context.Context, t *target, l *lease, step payment.Step) error {
	if err := s.take(ctx, t, l, step.Fact, payment.Tried{Number: step.Attempt.Number}); err != nil {
		return err
	}
	_, _, err := s.open(ctx, t, l, step.Attempt.Number)
	if payment.Refused(err) && step.Attempt.Terms != t.order.Terms { // the refused form is not repeated
		return nil
	}
	return err
}

// open opens a reserved attempt's payment at Stripe, under the order's lease, and saves the result.
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
	if m.Stale { // Stripe replayed it, so it may have changed since
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

// concludeOpened saves the new payment, even if the lease was lost.
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

// cancelUnattached cancels a payment that was just made for an attempt with another payment: Redis had lost
// that payment, and Stripe the key. No caller has its secret yet.
func (s *Service) cancelUnattached(ctx context.Context, id payment.ID) error {
	if _, err := s.stripe.CancelPayment(ctx, id, "duplicate"); err != nil && shownIn(err) == nil {
		return err
	}
	return nil
}

// concludeFailed saves the failure of an attempt. An unknown outcome leaves the attempt reserved, to be sent
// again. It returns the failure, or nil if the order must be examined again.
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
	if e != nil && e.Mismatch { // the payment of the key can be listed at once
		return nil
	}
	return failure
}

// opening holds the results of two parallel calls.
type opening struct {
	payment.Answer
	session    *payment.Session
	payErr     error
	sessionErr error
}

// openWithSession opens the PaymentIntent and a CustomerSession in parallel. A failure of one does not cancel
// the other, since a new PaymentIntent must be recorded.
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

// opened returns a create's result. If the session failed it returns that error; a repeat makes another
// session.
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

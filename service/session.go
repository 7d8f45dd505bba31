package service

import (
	"context"

	"kasse/service/payment"
)

// newSession makes a CustomerSession; none where there is no customer. Without features it gets the defaults.
func (s *Service) newSession(
	ctx context.Context, customer payment.CustomerID, features *payment.SessionFeatures,
) (*payment.Session, error) {
	if customer == "" {
		return nil, nil //nolint:nilnil // without a customer there is no session: that is an answer of the contract
	}
	if features == nil {
		features = &payment.SessionFeatures{}
	}
	session, err := s.stripe.OpenSession(ctx, customer, *features)
	if err != nil {
		return nil, err
	}
	return &session, nil
}

// RefreshSession makes a new CustomerSession for the order's current payment while it can be paid. Without features it
// gets those of its creation. The holder of a client secret never comes here.
func (s *Service) RefreshSession(
	ctx context.Context, caller Caller, id payment.ID, features *payment.SessionFeatures,
) (payment.Session, error) {
	if problems := features.Problems("/customer_session"); len(problems) > 0 {
		return payment.Session{}, payment.Invalid(problems)
	}
	if _, err := s.Status(ctx, caller, id); err != nil {
		return payment.Session{}, err
	}
	t, err := s.payment(ctx, id)
	if err != nil {
		return payment.Session{}, err
	}
	view, _ := t.order.View(id)
	a := t.order.Attempt(id)
	if t.order.Current() != id || t.order.Frozen() || !view.State.Payable() {
		return payment.Session{}, t.invalidState(
			"Only the order's current payment gets a customer session, and only while it can be paid.")
	}
	if view.Customer == nil {
		return payment.Session{}, t.invalidState("The payment has no customer, and so no customer session.")
	}
	if features == nil {
		features = a.Session
	}
	session, err := s.newSession(ctx, *view.Customer, features)
	if err != nil {
		return payment.Session{}, err
	}
	return *session, nil
}

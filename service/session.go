package service

import (
	"cmp"
	"context"

	"kasse/service/payment"
)

// newSession makes a CustomerSession; nil without a customer. Without features it uses the defaults.
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

// RefreshSession makes a new CustomerSession for the order's current payment while it can be paid. Without
// features it uses those of the creation. An order token may only narrow its features, and gets
// CodeOrderConflict for a payment of another customer. A client secret cannot refresh sessions.
func (s *Service) RefreshSession(
	ctx context.Context, caller Caller, id payment.ID, features *payment.SessionFeatures,
) (payment.Session, error) {
	if problems := features.Problems("/customer_session"); len(problems) > 0 {
		return payment.Session{}, payment.Invalid(problems)
	}
	if _, err := s.loadView(ctx, caller, id, caller.owns); err != nil {
		return payment.Session{}, err
	}
	t, err := s.payment(ctx, id)
	if err != nil {
		return payment.Session{}, err
	}
	view, _ := t.order.View(id)
	if err := caller.checkCustomer(view.Customer); err != nil {
		return payment.Session{}, err
	}
	a := t.order.Attempt(id)
	if t.order.Foreign != "" || t.order.Current() != id || t.order.Frozen() || !view.State.Payable() {
		return payment.Session{}, caller.invalidState(t,
			"Only the order's current payment can have a customer session, and only while it can be paid.")
	}
	if view.Customer == nil {
		return payment.Session{}, caller.invalidState(t, "The payment has no customer, so it has no customer session.")
	}
	features, err = caller.sessionFeatures(a.Session, features)
	if err != nil {
		return payment.Session{}, err
	}
	session, err := s.newSession(ctx, *view.Customer, features)
	if err != nil {
		return payment.Session{}, err
	}
	return *session, nil
}

// invalidState is the target's error, with the part of the view that the caller may see.
func (c Caller) invalidState(t *target, detail string) *payment.Error {
	e := t.invalidState(detail)
	e.Payment = c.part(e.Payment)
	return e
}

// checkCustomer returns CodeOrderConflict unless the credential is for the payment's customer; nil means a
// guest.
func (c Caller) checkCustomer(customer *payment.CustomerID) error {
	var id payment.CustomerID
	if customer != nil {
		id = *customer
	}
	if c.seesAsSecret() || !c.isFor(id) {
		return payment.OtherCustomer()
	}
	return nil
}

// sessionFeatures returns a session's features, from the payment's own and the requested ones; either may be
// nil. An order token gets at most its claim, or else the payment's own, or else the defaults.
func (c Caller) sessionFeatures(own, asked *payment.SessionFeatures) (*payment.SessionFeatures, error) {
	if c.Order == "" {
		return cmp.Or(asked, own), nil
	}
	most := cmp.Or(c.Session, own, &payment.SessionFeatures{})
	if asked != nil {
		narrowed, err := payment.NarrowSession(*most, *asked)
		return &narrowed, err
	}
	if own != nil {
		if narrowed, err := payment.NarrowSession(*most, *own); err == nil {
			return &narrowed, nil
		}
	}
	return most, nil
}

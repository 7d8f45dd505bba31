package service

import (
	"context"
	"time"
)

// Where the page or the app is that a CustomerSession is for.
const (
	SurfaceWeb    = "web"
	SurfaceMobile = "mobile" // Stripe's native SDKs
)

// SessionFeatures are the features of Stripe's Payment Element that a CustomerSession switches on.
//
// Source: https://docs.stripe.com/api/customer_sessions/create
type SessionFeatures struct {
	Redisplay      *bool    `json:"redisplay,omitempty"`       // show the saved methods; on unless switched off
	RedisplayLimit *int     `json:"redisplay_limit,omitempty"` // of saved methods, 1 to 10
	RedisplayOnly  []string `json:"allow_redisplay_filters,omitempty"`
	Save           bool     `json:"save,omitempty"` // offer to save a new method
	SaveUsage      string   `json:"save_usage,omitempty"`
	Remove         bool     `json:"remove,omitempty"`  // offer to remove a saved one
	Surface        string   `json:"surface,omitempty"` // web, unless said otherwise
}

// ShowsSaved reports whether the saved methods are shown.
func (f SessionFeatures) ShowsSaved() bool { return f.Redisplay == nil || *f.Redisplay }

// Session is a CustomerSession; its secret is good for one use.
type Session struct {
	ClientSecret Secret
	ExpiresAt    time.Time
}

// newSession makes a CustomerSession, none where there is no customer. Features that nobody chose are the defaults.
func (s *Service) newSession(ctx context.Context, customer CustomerID, features *SessionFeatures) (*Session, error) {
	if customer == "" {
		return nil, nil //nolint:nilnil // without a customer there is no session: that is an answer of the contract
	}
	if features == nil {
		features = &SessionFeatures{}
	}
	session, err := s.stripe.OpenSession(ctx, customer, *features)
	if err != nil {
		return nil, err
	}
	return &session, nil
}

// RefreshSession makes a new CustomerSession for the order's current payment while it can be paid; without features it
// gets those of its creation. The holder of a client secret never comes here.
func (s *Service) RefreshSession(ctx context.Context, caller Caller, id PaymentID, features *SessionFeatures) (Session, error) {
	if problems := features.problems("/customer_session"); len(problems) > 0 {
		return Session{}, invalid(problems)
	}
	if _, err := s.Status(ctx, caller, id); err != nil {
		return Session{}, err
	}
	p, _, err := s.payments.LoadPayment(ctx, id)
	if err != nil {
		return Session{}, err
	}
	order, _, err := s.orders.LoadOrder(ctx, p.Standing.Order)
	if err != nil {
		return Session{}, err
	}
	view, err := p.stored()
	if err != nil {
		return Session{}, err
	}
	if order.Current() != id || order.frozen() || !view.State.payable() {
		return Session{}, &Error{Code: CodeInvalidState, Detail: "Only the order's current payment gets a customer session, and only while it can be paid.", Payment: p.View}
	}
	if view.Customer == nil {
		return Session{}, &Error{Code: CodeInvalidState, Detail: "The payment has no customer, and so no customer session.", Payment: p.View}
	}
	if features == nil {
		features = order.attemptOf(id).Session
	}
	session, err := s.newSession(ctx, *view.Customer, features)
	if err != nil {
		return Session{}, err
	}
	return *session, nil
}

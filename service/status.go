package service

import (
	"context"
	"errors"
)

// StoredView is a view as it was rendered when it last changed.
type StoredView struct {
	View       []byte
	Public     []byte // the part that the holder of its client secret may see; nil: it has not been cut out yet
	Version    int64
	Order      OrderID
	SecretHash string
}

func (v StoredView) public() []byte {
	if v.Public == nil {
		return PublicPart(v.View)
	}
	return v.Public
}

// views reads what was rendered ahead, in one trip.
type views interface {
	// LoadView fails with ErrNotFound where there is no such payment.
	LoadView(ctx context.Context, id PaymentID) (StoredView, error)
	// LoadHistory returns the entries, oldest first; it fails with ErrNotFound where there is no such payment.
	LoadHistory(ctx context.Context, id PaymentID) ([]byte, error)
	// WatchPayment returns a channel that gets a hint at each visible change of the payment, until the function is called.
	// Hints may be lost.
	WatchPayment(id PaymentID) (<-chan struct{}, func())
}

// Status returns the view of a payment that the caller may see. A holder of its client secret gets the public part. A
// service key that asks for a payment missing from Redis waits for one read of Stripe; for others it is asked for later.
func (s *Service) Status(ctx context.Context, caller Caller, id PaymentID) (StoredView, error) {
	stored, err := s.views.LoadView(ctx, id)
	if errors.Is(err, ErrNotFound) && caller.Key != "" {
		if err = s.lookUp(ctx, id); err == nil {
			stored, err = s.views.LoadView(ctx, id)
		}
	}
	if errors.Is(err, ErrNotFound) || (err == nil && !caller.sees(stored)) {
		return StoredView{}, s.hide(ctx, caller, id)
	}
	if err == nil && caller.Secret != "" {
		stored.View = stored.public()
	}
	return stored, err
}

// hide answers who may not see a payment as who asks for one that does not exist, at the same cost. It may be that Redis
// has lost it: then it is asked for later, and slowly, since anybody can name payments that do not exist.
func (s *Service) hide(ctx context.Context, caller Caller, id PaymentID) error {
	if caller.Key == "" {
		if err := s.restores.WantRestore(ctx, id); err != nil {
			return err
		}
	}
	return NotFound()
}

// StatusAfter is Status, held back while the named version is the current one.
func (s *Service) StatusAfter(ctx context.Context, caller Caller, id PaymentID, version int64, p Patience) (StoredView, error) {
	changed, stop := s.views.WatchPayment(id)
	defer stop()
	w := s.hold(p, changed)
	defer w.end()
	for {
		stored, err := s.Status(context.WithoutCancel(ctx), caller, id)
		if err != nil || stored.Version != version || !w.more(ctx) {
			return stored, err
		}
	}
}

// payment loads a payment for the holder of a service key, from Stripe where Redis does not know it.
func (s *Service) payment(ctx context.Context, id PaymentID) (Payment, error) {
	p, _, err := s.payments.LoadPayment(ctx, id)
	if err == nil && p.Revision == 0 {
		if err = s.lookUp(ctx, id); err == nil {
			p, _, err = s.payments.LoadPayment(ctx, id)
		}
	}
	if errors.Is(err, ErrNotFound) {
		return p, NotFound()
	}
	return p, err
}

// lookUp asks Stripe for a payment that Redis does not know, and stores it if it is ours.
func (s *Service) lookUp(ctx context.Context, id PaymentID) error {
	ctx = context.WithoutCancel(ctx) // others may be waiting for the same answer
	_, err, _ := s.lookups.Do(string(id), func() (any, error) { return nil, s.Read(ctx, id) })
	return err
}

// History returns the JSON array of a payment's visible changes, oldest first.
func (s *Service) History(ctx context.Context, id PaymentID) ([]byte, error) {
	history, err := s.views.LoadHistory(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, NotFound()
	}
	return history, err
}

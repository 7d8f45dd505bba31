package service

import (
	"context"
	"errors"
	"time"

	"kasse/service/payment"
)

// views reads rendered views.
type views interface {
	// LoadView returns payment.ErrNotFound if there is no such payment.
	LoadView(ctx context.Context, id payment.ID) (payment.StoredView, error)
	// LoadViews returns the views of an order's payments, nil for a missing one.
	LoadViews(ctx context.Context, order payment.OrderID, ids []payment.ID) ([][]byte, error)
	// LoadHistory returns the entries, oldest first, or payment.ErrNotFound.
	LoadHistory(ctx context.Context, id payment.ID) ([]payment.HistoryEntry, error)
	// WatchPayment returns a channel with a hint at each visible change of the payment, until the function is
	// called. Hints may be lost.
	WatchPayment(id payment.ID) (<-chan struct{}, func())
	// OnPaymentChange calls hint at each visible change of the payment, until stop is called. hint must not
	// block or call the store. Hints may be lost.
	OnPaymentChange(id payment.ID, hint func()) (stop func())
	// Hints numbers the subscription on which hints come. As long as the number stays the same, and each call is sure,
	// no hint has been lost in between.
	Hints() (subscription int64, sure bool)
}

// Status returns the view of a payment that the caller may see. A client secret gets the public part, an
// order token everything but the review. If Redis does not have the payment, a service key waits for one read
// at Stripe; for others it is restored later.
func (s *Service) Status(ctx context.Context, caller Caller, id payment.ID) (payment.StoredView, error) {
	stored, err := s.loadView(ctx, caller, id, caller.sees)
	if err != nil {
		return stored, err
	}
	return caller.cut(stored), nil
}

// loadView loads a payment's view. A payment that the caller may not see is answered like a missing one.
func (s *Service) loadView(
	ctx context.Context, caller Caller, id payment.ID, may func(payment.StoredView) bool,
) (payment.StoredView, error) {
	var stored payment.StoredView
	load := func() (err error) {
		stored, err = s.views.LoadView(ctx, id)
		return err
	}
	var err error
	if caller.Key == "" {
		err = load()
	} else {
		err = s.loadOrLookUp(ctx, id, load)
	}
	if errors.Is(err, payment.ErrNotFound) || (err == nil && !may(stored)) {
		return payment.StoredView{}, s.maskNotFound(ctx, caller, id, stored.Reads)
	}
	return stored, err
}

// maskNotFound answers a forbidden payment like a missing one, at the same cost. If Redis has lost the
// payment it is restored later. That is slow on purpose, since callers can name payments that do not exist.
func (s *Service) maskNotFound(ctx context.Context, caller Caller, id payment.ID, reads int) error {
	if caller.Key != "" {
		return payment.NotFound()
	}
	id = id.WithoutSecret()
	if err := s.restores.PadReads(ctx, id, reads); err != nil {
		return err
	}
	var by string
	if caller.Refused != nil {
		var err error
		if by, err = caller.Refused(); err != nil {
			return err
		}
	}
	if err := s.restores.QueueRestore(ctx, id, by, caller.Order != ""); err != nil {
		return err
	}
	return payment.NotFound()
}

// StatusAfter is Status, held while the named version is the current one.
func (s *Service) StatusAfter(
	ctx context.Context, caller Caller, id payment.ID, version int64, o WaitOptions,
) (payment.StoredView, error) {
	changed, stop := s.views.WatchPayment(id)
	defer stop()
	w := s.hold(o, changed)
	defer w.end()
	for {
		stored, err := s.Status(context.WithoutCancel(ctx), caller, id)
		if err != nil || stored.Version != version || !w.wait(ctx) {
			return stored, err
		}
	}
}

// payment loads a payment with its order for a service key, from Stripe if Redis does not have it.
func (s *Service) payment(ctx context.Context, id payment.ID) (*target, error) {
	var t *target
	load := func() (err error) {
		t, err = s.find(ctx, id)
		return err
	}
	err := s.loadOrLookUp(ctx, id, load)
	if errors.Is(err, payment.ErrNotFound) {
		return nil, payment.NotFound()
	}
	return t, err
}

// lookUpTries is how often a missing payment is looked up. Redis may lose its pointer during a lookup, which then
// does not write it. The lookup may also be an older one, which another request has begun.
const lookUpTries = 2

// loadOrLookUp loads a payment. If Redis does not have it, it is first looked up at Stripe. It returns
// payment.ErrNotFound only if the payment is not ours.
func (s *Service) loadOrLookUp(ctx context.Context, id payment.ID, load func() error) error {
	err := load()
	for range lookUpTries {
		if !errors.Is(err, payment.ErrNotFound) {
			return err
		}
		if err := s.lookUp(ctx, id); err != nil {
			return err
		}
		err = load()
	}
	if !errors.Is(err, payment.ErrNotFound) {
		return err
	}
	return &payment.Error{
		Code: payment.CodeStoreUnavailable, Detail: "Redis has just lost this payment, and Kasse is restoring it; " +
			"repeat the request.",
	}
}

// lookUp reads a payment missing from Redis at Stripe, and stores it if it is ours. It reads a payment once a
// minute at most, within the shared budget of reads.
func (s *Service) lookUp(ctx context.Context, id payment.ID) error {
	if id != id.WithoutSecret() { // no such id exists, and Stripe must not get a secret in a URL
		return payment.ErrNotFound
	}
	ctx = context.WithoutCancel(ctx) // others may wait for the same result
	_, err, _ := s.lookups.Do(string(id), func() (any, error) { return nil, s.lookUpOnce(ctx, id) })
	return err
}

func (s *Service) lookUpOnce(ctx context.Context, id payment.ID) error {
	unknown, err := s.reads.IsUnknown(ctx, id)
	if err != nil {
		return err
	}
	if unknown {
		return payment.ErrNotFound
	}
	wait, err := s.reads.AllowLookup(ctx, s.StripeReads)
	if err != nil {
		return err
	}
	if wait > 0 {
		return &payment.Error{
			Code: payment.CodeStripeRateLimited, Detail: "Too many requests for payments that Kasse does not know; " +
				"repeat the request later.",
			RetryAfter: max(wait, time.Second),
		}
	}
	err = s.Read(ctx, id)
	if errors.Is(err, payment.ErrNotFound) {
		return errors.Join(err, s.reads.SetUnknown(ctx, id))
	}
	return err
}

// History returns a payment's visible changes, oldest first. If Redis does not have the payment, the caller waits for
// one read at Stripe.
func (s *Service) History(ctx context.Context, id payment.ID) ([]payment.HistoryView, error) {
	var entries []payment.HistoryEntry
	load := func() (err error) {
		entries, err = s.views.LoadHistory(ctx, id)
		return err
	}
	err := s.loadOrLookUp(ctx, id, load)
	if errors.Is(err, payment.ErrNotFound) {
		return nil, payment.NotFound()
	}
	list := make([]payment.HistoryView, 0, len(entries))
	for _, entry := range entries {
		list = append(list, entry.View())
	}
	return list, err
}

// OrderView is an order as callers see it; the views are rendered JSON.
type OrderView struct {
	ID         payment.OrderID
	Closed     bool
	Payment    []byte // the current payment or the winner; nil before the first one
	Superseded [][]byte
}

// Order returns an order with all its payments. An order that only has terms has none. An order token gets
// the payments of its own customer.
func (s *Service) Order(ctx context.Context, caller Caller, id payment.OrderID) (OrderView, error) {
	if caller.Key == "" && caller.Order != id {
		return OrderView{}, payment.NotFound()
	}
	o, _, err := s.orders.LoadOrder(ctx, payment.Ref{Order: id})
	if err != nil {
		return OrderView{}, err
	}
	if !o.Stored() {
		return OrderView{}, payment.NotFound()
	}
	ids := o.Payments()
	rendered, err := s.views.LoadViews(ctx, id, ids)
	if err != nil {
		return OrderView{}, err
	}
	view := OrderView{ID: id, Closed: o.Closed != ""}
	for i, p := range ids {
		part := caller.part(rendered[i])
		switch {
		case part == nil:
		case p == o.Current():
			view.Payment = part
		default:
			view.Superseded = append(view.Superseded, part)
		}
	}
	return view, nil
}

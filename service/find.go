package service

import (
	"context"

	"golang.org/x/sync/errgroup"

	"kasse/service/payment"
)

// find loads a payment's order by the payment's pointer. It returns payment.ErrNotFound if there is none.
func (s *Service) find(ctx context.Context, id payment.ID) (*target, error) {
	order, found, err := s.orders.FindOrder(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, payment.ErrNotFound
	}
	t := &target{ref: payment.Ref{Order: order}, id: id}
	return t, s.loadOwn(ctx, t)
}

// loadOwn loads a payment's order, or the payment alone if the order counts it as foreign. It returns
// payment.ErrNotFound if neither is stored.
func (s *Service) loadOwn(ctx context.Context, t *target) error {
	if err := s.load(ctx, t); err != nil || t.holds() {
		return err
	}
	if t.ref.Foreign == "" {
		foreign, err := s.loadForeign(ctx, t)
		if err != nil {
			return err
		}
		if foreign.holds() {
			*t = *foreign
			return nil
		}
	}
	return payment.ErrNotFound
}

// loadForeign loads the target's payment as a foreign one of its order.
func (s *Service) loadForeign(ctx context.Context, t *target) (*target, error) {
	foreign := &target{ref: payment.Ref{Order: t.ref.Order, Foreign: t.id}, id: t.id}
	return foreign, s.load(ctx, foreign)
}

// locate loads a PaymentIntent's order. It tries the order of the metadata first. If that order does not have
// the payment, or without metadata, the pointer decides. It returns payment.ErrNotFound for a PaymentIntent
// that is not ours.
func (s *Service) locate(ctx context.Context, intent payment.Intent) (*target, error) {
	origin := payment.OriginOf(intent.Metadata)
	if origin.Service != s.Name || !origin.Order.Valid() {
		return s.find(ctx, intent.ID)
	}
	t := &target{ref: payment.Ref{Order: origin.Order}, id: intent.ID}
	var pointed payment.OrderID
	var found bool
	var both errgroup.Group
	both.Go(func() (err error) {
		pointed, found, err = s.orders.FindOrder(ctx, intent.ID)
		return err
	})
	err := s.load(ctx, t)
	if pointerErr := both.Wait(); err == nil {
		err = pointerErr
	}
	switch {
	case err != nil:
		return nil, err
	case !t.holds() && found && pointed != origin.Order:
		t = &target{ref: payment.Ref{Order: pointed}, id: intent.ID}
		return t, s.load(ctx, t)
	}
	t.pointed = found
	if t.noPointer = !found; t.noPointer {
		t.order.WithoutPointer()
	}
	if t.lost() { // a foreign payment also has a pointer
		foreign, err := s.loadForeign(ctx, t)
		if err != nil || foreign.holds() {
			return foreign, err
		}
	}
	return t, nil
}

// lost reports whether the order was stored once and is missing now.
func (t *target) lost() bool { return t.pointed && !t.order.Stored() }

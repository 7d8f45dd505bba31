package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kasse/service/payment"
)

// forgetter removes personal data from the stream.
type forgetter interface {
	// ForgetEvents replaces the stream entries with personal data of the order's forgotten attempts, and
	// returns how many it appended. If the order was written since it was loaded, it returns
	// payment.ErrConflict.
	ForgetEvents(ctx context.Context, o payment.Order) (int, error)
}

// forgottenRecorder marks payments at Stripe as forgotten.
type forgottenRecorder interface {
	// RecordForgotten writes into a PaymentIntent's metadata that Kasse must keep no personal data of it.
	RecordForgotten(ctx context.Context, id payment.ID) error
}

// forgetCommand is the command's name in the audit log and in histories.
const forgetCommand = "forget"

// Forgotten counts the work of Forget.
type Forgotten struct {
	Payments int // payments whose view had personal data
	Events   int // stream entries that were appended again without it
}

// Forget removes the personal data of a finished order: the shop's metadata, payment method details, the
// receipt, and the forms sent to Stripe. It returns CodeNotFound for an order that is not stored, and
// CodeInvalidState for one that is not finished. It can be repeated after a failure.
func (s *Service) Forget(ctx context.Context, id payment.OrderID) (done Forgotten, err error) {
	result := "ok"
	defer func() {
		if err != nil {
			result = "failed"
		}
		s.Logger.LogAttrs(ctx, slog.LevelInfo, "audit", slog.Bool("audit", true), slog.String(
			"operation", forgetCommand,
		),
			slog.String("result", result), slog.String("order_id", string(id)))
	}()
	ctx = WithActor(ctx, payment.Actor{Operation: forgetCommand})
	t := &target{ref: payment.Ref{Order: id}}
	_, err = s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, now time.Time) (payment.Fact, error) {
		if !o.Stored() {
			return nil, &payment.Error{
				Code: payment.CodeNotFound, Detail: "The order " + string(id) + " does not exist.",
			}
		}
		if why := o.Unfinished(now); why != "" {
			return nil, &payment.Error{
				Code: payment.CodeInvalidState, Detail: "The order " + string(id) + " is not finished: " + why + ".",
			}
		}
		return payment.PersonForgotten{}, nil
	})
	if err != nil {
		return done, err
	}
	done.Payments = len(t.changes.Views)
	if err := s.forgetForeign(ctx, t.order, &done); err != nil {
		return done, err
	}
	for _, p := range t.order.Payments() {
		if err := s.noteForgotten(ctx, p); err != nil {
			return done, err
		}
	}
	return done, s.forgetEvents(ctx, t, &done)
}

// forgetForeign removes the personal data of payments that name the order without being an attempt of it.
func (s *Service) forgetForeign(ctx context.Context, o payment.Order, done *Forgotten) error {
	for _, id := range o.ForeignIDs {
		t := &target{ref: payment.Ref{Order: o.ID, Foreign: id}, id: id}
		_, err := s.apply(ctx, t, payment.CauseAPI, func(o *payment.Order, _ time.Time) (payment.Fact, error) {
			if !o.Stored() {
				return nil, nil //nolint:nilnil // it has expired
			}
			return payment.PersonForgotten{}, nil
		})
		if err != nil {
			return err
		}
		done.Payments += len(t.changes.Views)
	}
	return nil
}

// noteForgotten marks the payment at Stripe as forgotten, since a rebuild has no other source for that. If
// Stripe refuses, the mark is given up.
func (s *Service) noteForgotten(ctx context.Context, id payment.ID) error {
	ctx, cancel := s.stripeContext(ctx)
	defer cancel()
	err := s.stripe.RecordForgotten(ctx, id)
	if payment.Refused(err) {
		s.Logger.WarnContext(ctx, "forget: Stripe refused to store the mark; run kasse forget again after each "+
			"kasse rebuild",
			"payment_intent", id, "error", err)
		return nil
	}
	return err
}

// forgetEvents replaces the order's events in the stream.
func (s *Service) forgetEvents(ctx context.Context, t *target, done *Forgotten) error {
	for try := range conflictTries {
		s.backoff(ctx, try)
		count, err := s.forget.ForgetEvents(ctx, t.order)
		if !errors.Is(err, payment.ErrConflict) {
			done.Events = count
			return err
		}
		if err := s.load(ctx, t); err != nil {
			return err
		}
	}
	return payment.ErrConflict
}

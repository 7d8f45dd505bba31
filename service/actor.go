package service

import (
	"context"

	"kasse/service/payment"
)

type actorKey struct{}

// WithActor returns a context whose changes of orders are the call's: the history of the payments names it.
func WithActor(ctx context.Context, a payment.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, &a)
}

// actorOf returns whose call causes a change; nil where the cause is an event, a read or a rebuild.
func actorOf(ctx context.Context, cause string) *payment.Actor {
	if cause != payment.CauseAPI {
		return nil
	}
	a, _ := ctx.Value(actorKey{}).(*payment.Actor)
	return a
}

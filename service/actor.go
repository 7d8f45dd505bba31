package service

import (
	"context"

	"kasse/service/payment"
)

type actorKey struct{}

// WithActor returns a context whose changes of orders carry the actor, which the payments' history shows.
func WithActor(ctx context.Context, a payment.Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, &a)
}

// actorOf returns the actor of a change; nil if an event, a read or a rebuild causes it.
func actorOf(ctx context.Context, cause string) *payment.Actor {
	if cause != payment.CauseAPI {
		return nil
	}
	a, _ := ctx.Value(actorKey{}).(*payment.Actor)
	return a
}

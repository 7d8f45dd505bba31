package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kasse/service"
	"kasse/store"
)

// ReconcileSince is how far back a reconcile pass looks by default.
const ReconcileSince = service.CatchUpFirst

// Reconcile makes one pass of catch-up, from so long ago, and sweep. It ends when every payment that it marked has been
// read, and fails where one could not be.
func (a *App) Reconcile(ctx context.Context, since time.Duration, out io.Writer) error {
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return a.explain(err)
	}
	if err := a.noteRetention(ctx); err != nil {
		return err
	}
	p := newProgress(out)
	t := service.Tally{Report: func(t service.Tally) {
		p.show("%d events looked at, %d had been missed; %d payments read", t.Events, t.Applied, t.Read)
	}}
	if err := a.service.ReconcileOnce(ctx, since, &t); err != nil {
		return interrupted(ctx, err)
	}
	p.end("Done: %d events looked at, %d had been missed; %d payments read.", t.Events, t.Applied, t.Read)
	return nil
}

// explain says what to do about a Redis that is not ours yet.
func (a *App) explain(err error) error {
	switch {
	case errors.Is(err, store.ErrUnfinished):
		return fmt.Errorf("%w: run kasse rebuild", err)
	case errors.Is(err, store.ErrUnmarked):
		return fmt.Errorf("%w: run kasse rebuild, or kasse init if the payments of %q at Stripe are to be forgotten", err, a.ServiceName)
	}
	return err
}

// interrupted puts a signal into words; what was done until then stays.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted: what was done stays, and the same command goes on from there")
	}
	return err
}

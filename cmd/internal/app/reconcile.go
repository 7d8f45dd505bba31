package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/store"
)

// ReconcileSince is the default period of a reconcile pass.
const ReconcileSince = service.CatchUpFirst

// Reconcile runs one pass of catch-up, over the given period (0: PAYMENT_RETENTION), and sweep. If a server
// is running, that server runs the pass. Reconcile returns when every marked payment has been read, and
// returns an error if one could not be read. With verify it also reads every payment that has succeeded in
// the period, and names those that are not paid at Stripe.
func (a *App) Reconcile(ctx context.Context, since time.Duration, verify bool, out io.Writer) error {
	if since == 0 {
		since = a.PaymentRetention
	}
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return a.explain(err)
	}
	if err := a.saveRetention(ctx); err != nil {
		return err
	}
	p := newProgress(out)
	t := service.Tally{Report: func(t service.Tally) {
		p.show(
			"%s listed, %d had been missed; %s read%s", quantity(t.Events, "event"), t.Applied,
			quantity(t.Read, "payment"),
			verified(t, verify),
		)
	}, Say: func(text string) { p.end("%s%s.", strings.ToUpper(text[:1]), text[1:]) }}
	err := a.service.ReconcileOnce(ctx, since, verify, &t)
	for _, d := range t.Denied {
		p.end("NOT PAID at Stripe: %s of order %s. It is held as unverified.", d.Payment, d.Order)
	}
	if more := t.DeniedCount - len(t.Denied); more > 0 {
		p.end("NOT PAID at Stripe: %d more. They are held as unverified.", more)
	}
	if err != nil {
		return interrupted(ctx, err)
	}
	if verify && since > a.EventRetention {
		p.end(
			"Payments that succeeded more than %s ago were not verified: their events are older than EVENT_RETENTION.",
			a.EventRetention,
		)
	}
	p.end(
		"Done: %s listed, %d had been missed; %s read%s.", quantity(t.Events, "event"), t.Applied,
		quantity(t.Read, "payment"),
		verified(t, verify),
	)
	return nil
}

// verified reports the number of verified successes, if verify is set.
func verified(t service.Tally, verify bool) string {
	if !verify {
		return ""
	}
	return fmt.Sprintf("; %d successes verified, %d of them not paid at Stripe", t.Verified, t.DeniedCount)
}

// explain adds instructions to the error of a Redis that is not ours.
func (a *App) explain(err error) error {
	switch {
	case errors.Is(err, store.ErrUnfinished):
		return fmt.Errorf("%w: run kasse rebuild", err)
	case errors.Is(err, store.ErrUnmarked):
		return fmt.Errorf(
			"%w: run kasse rebuild, or kasse init to ignore the payments of %q at Stripe", err,
			a.ServiceName,
		)
	}
	return err
}

// Advise adds to the error of a Redis that cannot be used which command finds the reason.
func Advise(err error) error {
	if e, ok := errors.AsType[*payment.Error](err); ok && e.Code == payment.CodeStoreUnavailable {
		return fmt.Errorf("%w; kasse check reports what is wrong with Redis", err)
	}
	return err
}

// interrupted replaces the error after a signal. Work that was done stays.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted: the results so far are stored; run the same command again to continue")
	}
	return err
}

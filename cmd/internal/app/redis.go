package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kasse/service/payment"
	"kasse/store"
)

// Pauses while the start waits for Redis.
const (
	redisPause    = 500 * time.Millisecond // between two tries
	redisLogPause = 10 * time.Second       // between two lines of the log with the same text
)

func (a *App) identity() store.Identity {
	return store.Identity{Livemode: a.Livemode(), Service: a.ServiceName}
}

// errReplica: REDIS_URL leads to a replica, which accepts no writes.
var errReplica = errors.New(
	"it is a replica and accepts no writes: point REDIS_URL at the master, or use REDIS_MODE=sentinel",
)

// claimRedis waits for a Redis that accepts writes and checks that it is ours. It initializes an empty one
// only if Stripe has no payment of this service. Otherwise Redis was wiped, and paid orders would be sold
// again.
func (a *App) claimRedis(ctx context.Context) error {
	waiting := waitLog{log: a.log}
	for tries := 1; ; tries++ {
		_, err := a.store.Check(ctx, a.identity())
		var away *payment.Error
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // asked to stop
		case (err == nil || errors.Is(err, store.ErrUnmarked)) && a.store.IsReplica(ctx):
			err = errReplica
		case errors.Is(err, store.ErrUnmarked):
			return a.markNew(ctx)
		case errors.Is(err, store.ErrUnfinished):
			return a.explain(err)
		case !errors.As(err, &away):
			return err
		}
		waiting.note(ctx, err)
		if mismatch := a.tlsMismatchAt(ctx, tries); mismatch != "" {
			a.log.ErrorContext(ctx, "start: Redis and REDIS_URL disagree about TLS", "problem", mismatch)
		}
		select {
		case <-ctx.Done():
		case <-time.After(redisPause):
		}
	}
}

// waitLog logs that the start waits for Redis: at once, when the reason becomes another one, and every redisLogPause.
type waitLog struct {
	log     *slog.Logger
	replica bool      // the last line was about a replica
	last    time.Time // time of the last line
}

func (w *waitLog) note(ctx context.Context, err error) {
	replica := errors.Is(err, errReplica)
	if replica == w.replica && time.Since(w.last) < redisLogPause {
		return
	}
	w.replica, w.last = replica, time.Now()
	if replica {
		w.log.WarnContext(ctx, "start: Redis accepts no writes, waiting", "error", err)
	} else {
		w.log.WarnContext(ctx, "start: Redis does not answer, waiting", "error", err)
	}
}

// tlsMismatchAt looks for a mismatch at the first try only.
func (a *App) tlsMismatchAt(ctx context.Context, tries int) string {
	if tries > 1 {
		return ""
	}
	return tlsMismatch(ctx, a.RedisURL.Reveal())
}

func (a *App) markNew(ctx context.Context) error {
	found, err := a.gateway.AnyPayment(ctx)
	if err != nil {
		return fmt.Errorf(
			"this Redis is not initialised, and Stripe did not answer whether it has payments of %q: try again "+
				"later, or run kasse rebuild, or kasse init to ignore them: %w",
			a.ServiceName, err,
		)
	}
	if found {
		return fmt.Errorf(
			"this Redis is not initialised, but Stripe has payments of %q: run kasse rebuild, or kasse init to "+
				"ignore them",
			a.ServiceName,
		)
	}
	a.log.InfoContext(ctx, "initialising an empty Redis")
	return a.mark(ctx)
}

// saveRetention stores PAYMENT_RETENTION in Redis. The service gets the lowest value that was ever used.
func (a *App) saveRetention(ctx context.Context) error {
	lowest, err := a.store.SaveRetention(ctx)
	if err == nil {
		a.service.SetLowestRetention(lowest)
	}
	return err
}

// mark initializes an empty Redis, unless a rebuild has begun meanwhile.
func (a *App) mark(ctx context.Context) error {
	if err := a.store.Mark(ctx, a.identity()); err != nil {
		return err
	}
	_, err := a.store.Check(ctx, a.identity())
	return a.explain(err)
}

// Init initializes an empty Redis, even if Stripe has payments of this service. It reports whether Redis
// was initialized before.
func (a *App) Init(ctx context.Context) (already bool, err error) {
	_, err = a.store.Check(ctx, a.identity())
	if !errors.Is(err, store.ErrUnmarked) {
		return err == nil, a.explain(err)
	}
	return false, a.mark(ctx)
}

// fetchAccount asks Stripe for the key's account, "acct_…". If Stripe does not answer, it logs a warning.
func (a *App) fetchAccount(ctx context.Context) (id string, known bool) {
	id, err := a.gateway.Account(ctx)
	if err != nil {
		a.log.WarnContext(ctx, "Stripe did not return the account of the key; until the next start events of other "+
			"accounts are not recognised",
			"error", err)
	}
	return id, err == nil
}

// compareAccount checks that the key belongs to the account whose payments Redis holds. Another account ends
// the process. No answer is a warning.
func (a *App) compareAccount(ctx context.Context) error {
	account, known := a.fetchAccount(ctx)
	if !known {
		return nil
	}
	a.service.SetAccount(account)
	id := a.identity()
	id.Account = account
	recorded, err := a.store.Check(ctx, id)
	if err == nil && recorded == "" {
		err = a.store.SetAccount(ctx, account)
	}
	if _, away := errors.AsType[*payment.Error](err); away {
		a.log.WarnContext(ctx, "the accounts of Redis and of the Stripe key could not be compared; the next start "+
			"compares them",
			"error", err)
		return nil
	}
	return err
}

package app

import (
	"context"
	"errors"
	"time"

	"kasse/api"
	"kasse/service/payment"
	"kasse/store"
)

const (
	aboutReadiness = "redis" // its name in the body of /readyz
	probeBound     = time.Second
)

// readiness is what /readyz says: Redis has been reached once, the process is not draining, and Redis can be
// worked with. A Redis that is away is one that comes back: the process stays ready.
func (a *App) readiness() (api.ReadyState, []api.Dependency) {
	ctx, cancel := context.WithTimeout(context.Background(), probeBound)
	defer cancel()
	redis := a.redisState(ctx)
	a.noteRedisState(ctx, redis)
	state := api.Ready
	select {
	case <-a.draining:
		state = api.Draining
	default:
		switch {
		case !a.ready.Load():
			state = api.Starting
		case redis != api.DependencyOK && redis != api.DependencyUnreachable:
			state = api.Unavailable
		}
	}
	return state, []api.Dependency{{Name: aboutReadiness, State: redis}}
}

// redisState asks Redis whose it is, and whether it takes writes.
func (a *App) redisState(ctx context.Context) api.DependencyState {
	_, err := a.store.Check(ctx, a.identity())
	_, away := errors.AsType[*payment.Error](err)
	switch {
	case away:
		return api.DependencyUnreachable
	case a.store.IsReplica(ctx):
		return api.DependencyReplica
	case errors.Is(err, store.ErrUnfinished):
		return api.DependencyRebuilding
	case errors.Is(err, store.ErrUnmarked):
		return api.DependencyUnmarked
	case err != nil:
		return api.DependencyForeign
	}
	return api.DependencyOK
}

// noteRedisState logs a Redis that cannot be worked with, once, and its end. That it is away is logged where
// commands fail.
func (a *App) noteRedisState(ctx context.Context, now api.DependencyState) {
	if !a.ready.Load() || now == api.DependencyUnreachable {
		return
	}
	before := a.redisWas.Swap(&now)
	what := map[api.DependencyState]string{
		api.DependencyReplica:    "it is a replica: point REDIS_URL at the master, or use REDIS_MODE=sentinel",
		api.DependencyUnmarked:   "it is not marked as ours any more, it was wiped: run kasse rebuild",
		api.DependencyRebuilding: "kasse rebuild has begun, and not ended",
		api.DependencyForeign:    "it holds the payments of another service or layout: see kasse check",
	}
	switch {
	case before != nil && *before == now:
	case now != api.DependencyOK:
		a.log.ErrorContext(
			ctx, "Redis cannot be worked with, /readyz is 503", "state", string(now), "problem", what[now],
		)
	case before != nil:
		a.log.InfoContext(ctx, "Redis is ours and takes writes again")
	}
}

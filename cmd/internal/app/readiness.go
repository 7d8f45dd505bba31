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
	aboutReadiness = "redis" // the dependency's name in the body of /readyz
	probeBound     = time.Second
)

// readiness is the result of /readyz. The process is ready if Redis has been reached once and is usable, and
// the process is not draining. An unreachable Redis is expected to return, so the process stays ready.
func (a *App) readiness() (api.ReadyState, []api.Dependency) {
	ctx, cancel := context.WithTimeout(context.Background(), probeBound)
	defer cancel()
	redis := a.redisState(ctx)
	a.logRedisState(ctx, redis)
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

// redisState checks whether Redis is ours and accepts writes.
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

// logRedisState logs the start and the end of an unusable Redis. An unreachable Redis is logged by the
// failing commands.
func (a *App) logRedisState(ctx context.Context, now api.DependencyState) {
	if !a.ready.Load() || now == api.DependencyUnreachable {
		return
	}
	before := a.redisWas.Swap(&now)
	what := map[api.DependencyState]string{
		api.DependencyReplica:    "it is a replica: point REDIS_URL at the master, or use REDIS_MODE=sentinel",
		api.DependencyUnmarked:   "it is no longer initialised, since its data was lost: run kasse rebuild",
		api.DependencyRebuilding: "kasse rebuild has started and not finished",
		api.DependencyForeign:    "it has the payments of another service or layout: see kasse check",
	}
	switch {
	case before != nil && *before == now:
	case now != api.DependencyOK:
		a.log.ErrorContext(
			ctx, "readiness: Redis cannot be used; /readyz answers 503 meanwhile", "state", string(now), "problem",
			what[now],
		)
	case before != nil:
		a.log.InfoContext(ctx, "readiness: Redis can be used again")
	}
}

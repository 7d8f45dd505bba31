package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"kasse/store"
)

// assess logs what Redis may lose, unless REDIS_DURABILITY is off. With require it returns an error unless
// every server syncs every write. It waits while Redis is unreachable.
func (a *App) assess(ctx context.Context) error {
	if a.RedisDurability == "off" {
		return nil
	}
	for {
		servers, err := store.Inspect(ctx, a.RedisMode, a.RedisURL.Reveal())
		if err == nil {
			return a.checkDurability(ctx, store.DurabilityOf(servers, a.RedisWaitReplicas))
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		a.log.WarnContext(
			ctx, "durability: Redis does not show its persistence settings; what a failure loses is unknown",
			"error", err,
		)
		if a.RedisDurability != "require" {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(redisPause):
		}
	}
}

func (a *App) checkDurability(ctx context.Context, d store.Durability) error {
	a.log.InfoContext(ctx, "durability", "class", d.Class, "may_lose", d.Loses)
	if len(d.Flaws) > 0 && a.RedisDurability == "require" {
		return errors.New(
			"REDIS_DURABILITY is require, and Redis may lose acknowledged writes: " + strings.Join(d.Flaws, "; "),
		)
	}
	if d.Failover != "" {
		a.log.WarnContext(ctx, "a failover of Redis may lose acknowledged writes", "reason", d.Failover)
	}
	for _, flaw := range d.Flaws {
		a.log.WarnContext(ctx, "Redis may lose acknowledged writes", "server", flaw)
	}
	return nil
}

package sim_test

import (
	"cmp"
	"context"
	"slices"
	"time"

	"kasse/service"
)

// queue holds payments by the Unix millisecond that each is due.
type queue map[service.PaymentID]int64

// put makes a payment wait until a moment, or takes it out where there is none.
func (q queue) put(id service.PaymentID, at time.Time) {
	delete(q, id)
	if !at.IsZero() {
		q[id] = at.UnixMilli()
	}
}

// take hides what it hands out: whoever took it may die.
func (q queue) take(now time.Time, limit int, hide time.Duration) []service.PaymentID {
	due := q.due(now)
	slices.SortFunc(due, func(a, b service.PaymentID) int { return cmp.Or(cmp.Compare(q[a], q[b]), cmp.Compare(a, b)) })
	due = due[:min(len(due), limit)]
	for _, id := range due {
		q.put(id, now.Add(hide))
	}
	return due
}

func (q queue) due(now time.Time) []service.PaymentID {
	var due []service.PaymentID
	for id, at := range q {
		if at <= now.UnixMilli() {
			due = append(due, id)
		}
	}
	return due
}

// holder has a lease until a moment by Redis's clock.
type holder struct {
	owner string
	until time.Time
}

func (r *redis) takeLease(name, owner string, lasts time.Duration) bool {
	held, taken := r.leases[name]
	if taken && held.owner != owner && r.now().Before(held.until) {
		return false
	}
	r.leases[name] = holder{owner, r.now().Add(lasts)}
	return true
}

func (r *replica) TakeReads(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	return toRedis(ctx, r, "TakeReads", "", func() ([]service.PaymentID, error) {
		return r.world.redis.reads.take(r.world.redis.now(), limit, hide), nil
	})
}

func (r *replica) TakeSweeps(ctx context.Context, limit int, hide time.Duration) ([]service.PaymentID, error) {
	return toRedis(ctx, r, "TakeSweeps", "", func() ([]service.PaymentID, error) {
		return r.world.redis.sweeps.take(r.world.redis.now(), limit, hide), nil
	})
}

func (r *replica) ReadsDue(ctx context.Context) (int, error) {
	return toRedis(ctx, r, "ReadsDue", "", func() (int, error) { return len(r.world.redis.reads.due(r.world.redis.now())), nil })
}

func (r *replica) DropRead(ctx context.Context, id service.PaymentID) error {
	_, err := toRedis(ctx, r, "DropRead", string(id), func() (any, error) {
		for _, q := range []queue{r.world.redis.reads, r.world.redis.sweeps} {
			delete(q, id)
		}
		return nil, nil
	})
	return err
}

func (r *replica) AllowRead(ctx context.Context, _ int) (time.Duration, error) {
	return toRedis(ctx, r, "AllowRead", "", func() (time.Duration, error) { return r.world.redis.allowRead(), nil })
}

// allowRead is stingy now and then.
func (r *redis) allowRead() time.Duration {
	if r.world.happens(0.1) {
		return 200 * time.Millisecond
	}
	return 0
}

func (r *replica) TakeLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error) {
	return toRedis(ctx, r, "TakeLease", name, func() (bool, error) { return r.world.redis.takeLease(name, owner, lasts), nil })
}

func (r *replica) GiveBackLease(ctx context.Context, name, owner string) error {
	_, err := toRedis(ctx, r, "GiveBackLease", name, func() (any, error) {
		if r.world.redis.leases[name].owner == owner {
			delete(r.world.redis.leases, name)
		}
		return nil, nil
	})
	return err
}

package sim_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
)

// queue holds ids with their due times, in half milliseconds since 1970. The due time of a claimed id is odd.
type queue[ID ~string] map[ID]int64

// put sets an id's due time. A zero time removes the id.
func (q queue[ID]) put(id ID, at time.Time) {
	delete(q, id)
	if !at.IsZero() {
		q[id] = 2 * at.UnixMilli()
	}
}

// due returns the due ids, the longest due first.
func (q queue[ID]) due(now time.Time) []ID {
	var due []ID
	for id, at := range q {
		if at <= 2*now.UnixMilli() {
			due = append(due, id)
		}
	}
	slices.SortFunc(
		due, func(a, b ID) int { return cmp.Or(cmp.Compare(q[a], q[b]), strings.Compare(string(a), string(b))) },
	)
	return due
}

// claim returns due ids of any partition and hides them for a while. They return if the claiming process crashes.
func claim[ID ~string](r *redis, of func(*partition) queue[ID], limit int, hide time.Duration) []ID {
	var taken []ID
	for _, part := range r.parts {
		for _, id := range of(part).due(r.now()) {
			if len(taken) == limit {
				break
			}
			of(part).put(id, r.now().Add(hide))
			of(part)[id]++
			if !slices.Contains(taken, id) {
				taken = append(taken, id)
			}
		}
	}
	return taken
}

func reads(p *partition) queue[payment.ID]          { return p.reads }
func sweeps(p *partition) queue[payment.ID]         { return p.sweeps }
func restores(p *partition) queue[payment.ID]       { return p.restores }
func attention(p *partition) queue[payment.OrderID] { return p.attention }

func (r *replica) ClaimReads(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error) {
	return toRedis(ctx, r, "ClaimReads", "", func() ([]payment.ID, error) {
		return claim(r.sim.redis, reads, limit, hide), nil
	})
}

func (r *replica) ClaimSweeps(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error) {
	return toRedis(ctx, r, "ClaimSweeps", "", func() ([]payment.ID, error) {
		return claim(r.sim.redis, sweeps, limit, hide), nil
	})
}

func (r *replica) ClaimRestores(
	ctx context.Context, byToken bool, limit int, hide time.Duration,
) ([]payment.ID, error) {
	return toRedis(ctx, r, "ClaimRestores", "", func() ([]payment.ID, error) {
		if byToken { // the simulation has one queue for both kinds
			return nil, nil
		}
		return claim(r.sim.redis, restores, limit, hide), nil
	})
}

func (r *replica) ClaimOrders(ctx context.Context, limit int, hide time.Duration) ([]payment.OrderID, error) {
	return toRedis(ctx, r, "ClaimOrders", "", func() ([]payment.OrderID, error) {
		return claim(r.sim.redis, attention, limit, hide), nil
	})
}

func (r *replica) DropOrder(ctx context.Context, id payment.OrderID) error {
	return changeRedis(ctx, r, "DropOrder", string(id), func() {
		if attention := r.sim.redis.ofOrder(id).attention; attention[id]%2 == 1 {
			delete(attention, id)
		}
	})
}

// QueueRead queues a read of a payment, unless one is queued. It returns false for a payment that was found not to be
// Kasse's within the last day.
func (r *replica) QueueRead(ctx context.Context, id payment.ID) (bool, error) {
	return toRedis(ctx, r, "QueueRead", string(id), func() (bool, error) {
		part := r.sim.redis.ofPayment(id)
		if r.sim.redis.now().Before(part.notOurs[id]) {
			return false, nil
		}
		r.sim.readsQueued[id]++
		if part.reads[id]%2 == 1 || part.reads[id] == 0 {
			part.reads.put(id, r.sim.redis.now())
		}
		return true, nil
	})
}

func (r *replica) FinishRead(ctx context.Context, id payment.ID, order payment.OrderID, due bool) error {
	return changeRedis(ctx, r, "FinishRead", string(id), func() {
		ofOrder := r.sim.redis.ofOrder(order)
		for _, part := range []*partition{r.sim.redis.ofPayment(id), ofOrder} {
			if part.reads[id]%2 == 1 && (!due || part != ofOrder) {
				delete(part.reads, id)
			}
		}
	})
}

// DropRead removes a payment from all queues, and records for a day that it is not Kasse's.
func (r *replica) DropRead(ctx context.Context, id payment.ID) error {
	return changeRedis(ctx, r, "DropRead", string(id), func() {
		for _, part := range r.sim.redis.parts {
			delete(part.reads, id)
			delete(part.sweeps, id)
			delete(part.restores, id)
		}
		r.sim.redis.ofPayment(id).notOurs[id] = r.sim.redis.now().Add(24 * time.Hour)
	})
}

func (r *replica) PadReads(context.Context, payment.ID, int) error { return nil }

func (r *replica) QueueRestore(ctx context.Context, id payment.ID, _ string, _ bool) error {
	return changeRedis(ctx, r, "QueueRestore", string(id), func() {
		part := r.sim.redis.ofPayment(id)
		if _, here := part.pointers[id]; !here && part.restores[id] == 0 {
			part.restores.put(id, r.sim.redis.now())
		}
	})
}

func (r *replica) DropRestore(ctx context.Context, id payment.ID) error {
	return changeRedis(ctx, r, "DropRestore", string(id), func() { delete(r.sim.redis.ofPayment(id).restores, id) })
}

func (r *replica) ReadsDue(ctx context.Context) (int, error) {
	return toRedis(ctx, r, "ReadsDue", "", func() (due int, _ error) {
		for _, part := range r.sim.redis.parts {
			due += len(part.reads.due(r.sim.redis.now()))
		}
		return due, nil
	})
}

func (r *replica) ReadsWithin(ctx context.Context, d time.Duration) ([]payment.ID, error) {
	return toRedis(ctx, r, "ReadsWithin", "", func() (ids []payment.ID, _ error) {
		for _, part := range r.sim.redis.parts {
			ids = append(ids, part.reads.due(r.sim.redis.now().Add(d))...)
		}
		return ids, nil
	})
}

func (r *replica) AllowRead(ctx context.Context, _ int) (time.Duration, error) {
	return toRedis(ctx, r, "AllowRead", "", func() (time.Duration, error) {
		if r.sim.happens(0.1) {
			return 200 * time.Millisecond, nil
		}
		return 0, nil
	})
}

func (r *replica) AllowLookup(ctx context.Context, perSecond int) (time.Duration, error) {
	return r.AllowRead(ctx, perSecond)
}

func (r *replica) SetUnknown(ctx context.Context, id payment.ID) error {
	return changeRedis(ctx, r, "SetUnknown", string(id), func() {
		r.sim.redis.ofPayment(id).unknown[id] = r.sim.redis.now().Add(time.Minute)
	})
}

func (r *replica) IsUnknown(ctx context.Context, id payment.ID) (bool, error) {
	return toRedis(ctx, r, "IsUnknown", string(id), func() (bool, error) {
		return r.sim.redis.now().Before(r.sim.redis.ofPayment(id).unknown[id]), nil
	})
}

// holder is the owner of a lease, until a time of Redis's clock.
type holder struct {
	owner string
	until time.Time
}

func (r *replica) AcquireLease(ctx context.Context, name, owner string, lasts time.Duration) (bool, error) {
	return toRedis(ctx, r, "AcquireLease", name, func() (bool, error) {
		redis := r.sim.redis
		held, taken := redis.parts[0].leases[name]
		left := held.until.Sub(redis.now())
		if taken && held.owner != owner && left > 0 && left <= lasts {
			return false, nil
		}
		redis.parts[0].leases[name] = holder{owner, redis.now().Add(lasts)}
		return true, nil
	})
}

// leased reports whether a lease is still held.
func (r *redis) leased() bool {
	for _, held := range r.parts[0].leases {
		if held.until.After(r.now()) {
			return true
		}
	}
	return false
}

func (r *replica) ReleaseLease(ctx context.Context, name, owner string) error {
	return changeRedis(ctx, r, "ReleaseLease", name, func() {
		if leases := r.sim.redis.parts[0].leases; leases[name].owner == owner {
			delete(leases, name)
		}
	})
}

func (r *replica) LeaseHolder(ctx context.Context, name string) (string, error) {
	return toRedis(ctx, r, "LeaseHolder", name, func() (string, error) {
		return r.sim.redis.parts[0].leases[name].owner, nil
	})
}

// The next four methods serve kasse reconcile, which the simulation does not run. They make no call to Redis.

func (r *replica) RequestPass(context.Context, payment.PassRequest) (payment.PassStanding, error) {
	return payment.PassStanding{}, errors.ErrUnsupported
}

func (r *replica) WithdrawPass(context.Context, string) error { return errors.ErrUnsupported }

func (r *replica) ClaimPass(context.Context, string) (payment.PassRequest, bool, error) {
	return payment.PassRequest{}, false, nil
}

func (r *replica) ReportPass(context.Context, string, string, bool, payment.PassResult) (bool, error) {
	return false, errors.ErrUnsupported
}

func (r *replica) LoadCatchUp(ctx context.Context) (done, now time.Time, err error) {
	d, err := toRedis(ctx, r, "LoadCatchUp", "", func() (dated[time.Time], error) {
		r.catchUpBegan = time.Now()
		oldest := slices.MinFunc(r.sim.redis.parts, func(a, b *partition) int { return a.caughtUp.Compare(b.caughtUp) })
		return dated[time.Time]{oldest.caughtUp, r.sim.redis.now()}, nil
	})
	return d.value, d.now, err
}

func (r *replica) BeginCatchUp(ctx context.Context) (began payment.CatchUp, err error) {
	began.Masters, err = toRedis(ctx, r, "histories", "", r.sim.redis.histories)
	if err != nil {
		return began, err
	}
	began.Done, began.Now, err = r.LoadCatchUp(ctx)
	return began, err
}

func (r *replica) SaveCatchUp(ctx context.Context, began payment.CatchUp) error {
	done := began.Now.Truncate(time.Second)
	masters, err := toRedis(ctx, r, "histories", "", r.sim.redis.histories)
	switch {
	case err != nil:
		return err
	case masters != began.Masters:
		return payment.ErrFailover
	}
	return changeRedis(ctx, r, "SaveCatchUp", done.Format(time.TimeOnly), func() {
		r.sim.caughtUp = r.catchUpBegan
		for _, part := range r.sim.redis.parts {
			if part.caughtUp.Before(done) {
				part.caughtUp = done
			}
		}
	})
}

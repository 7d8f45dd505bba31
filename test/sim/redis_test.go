package sim_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"kasse/service"
)

// redis keeps what the service writes, with the compare-and-set of the store's scripts. Nothing in it is ever lost.
type redis struct {
	world       *world
	skew        time.Duration // of its clock
	payments    map[service.PaymentID]*storedPayment
	orders      map[service.OrderID]*storedOrder
	stream      []service.FeedEvent
	reads       queue
	sweeps      queue
	leases      map[string]holder
	quarantined int
}

type storedPayment struct {
	revision int64
	state    []byte
	view     []byte
	version  int64
	secret   string
	order    service.OrderID
	history  []byte
}

type storedOrder struct {
	revision int64
	state    []byte
}

func newRedis(w *world) *redis {
	return &redis{
		world: w, payments: map[service.PaymentID]*storedPayment{}, orders: map[service.OrderID]*storedOrder{},
		reads: queue{}, sweeps: queue{}, leases: map[string]holder{},
	}
}

// now is Redis's own clock.
func (r *redis) now() time.Time { return time.Now().Add(r.skew).Truncate(time.Microsecond) }

func (r *redis) loadPayment(id service.PaymentID) (service.Payment, error) {
	p := service.Payment{ID: id}
	stored := r.payments[id]
	if stored == nil {
		return p, nil
	}
	err := json.Unmarshal(stored.state, &p)
	p.Revision, p.View, p.SecretHash = stored.revision, slices.Clone(stored.view), stored.secret
	return p, err
}

func (r *redis) savePayment(w service.PaymentWrite) error {
	stored := r.payments[w.ID]
	if stored == nil {
		stored = &storedPayment{}
	}
	if stored.revision != w.Revision && !r.world.mutant.paymentsWithoutCAS {
		return service.ErrConflict
	}
	state, err := json.Marshal(w.Payment)
	if err != nil {
		return err
	}
	if r.world.mutant.forgetWrites && r.world.happens(0.05) {
		return nil
	}
	before := *stored
	stored.revision, stored.state, stored.secret, stored.order = stored.revision+1, state, w.SecretHash, w.Standing.Order
	r.payments[w.ID] = stored
	if !r.world.mutant.forgetSweeps {
		r.sweeps.put(w.ID, w.SweepAt)
	}
	if !r.world.mutant.forgetReads {
		r.reads.put(w.ID, w.ReadAt)
	}
	if w.History != nil {
		stored.view, stored.version = slices.Clone(w.View), w.Version
		stored.history = append(append(slices.Clone(stored.history), ','), w.History...)
		r.world.hints.give(string(w.ID))
	}
	if w.Event != nil && !r.world.mutant.forgetStream {
		r.stream = append(r.stream, service.FeedEvent{ID: w.Event.ID, Type: w.Event.Type, CreatedAt: r.now(), Data: slices.Clone(w.View)})
	}
	r.world.judgeWrite(before, *stored, w)
	return nil
}

func (r *redis) loadOrder(id service.OrderID) (service.Order, error) {
	o := service.Order{ID: id}
	stored := r.orders[id]
	if stored == nil {
		return o, nil
	}
	err := json.Unmarshal(stored.state, &o)
	o.Revision = stored.revision
	return o, err
}

func (r *redis) saveOrder(o service.Order) error {
	before, err := r.loadOrder(o.ID)
	if err != nil {
		return err
	}
	if before.Revision != o.Revision && !r.world.mutant.ordersWithoutCAS {
		return service.ErrConflict
	}
	state, err := json.Marshal(o)
	if err != nil {
		return err
	}
	r.orders[o.ID] = &storedOrder{revision: before.Revision + 1, state: state}
	r.world.hints.give(string(o.ID))
	r.world.judgeOrder(before, o)
	return nil
}

func (r *redis) loadView(id service.PaymentID) (service.StoredView, error) {
	stored := r.payments[id]
	if stored == nil {
		return service.StoredView{}, service.ErrNotFound
	}
	return service.StoredView{View: slices.Clone(stored.view), Version: stored.version, Order: stored.order, SecretHash: stored.secret}, nil
}

func (r *redis) loadHistory(id service.PaymentID) ([]byte, error) {
	stored := r.payments[id]
	if stored == nil {
		return nil, service.ErrNotFound
	}
	return append(append([]byte("["), stored.history[1:]...), ']'), nil
}

// loadEvents has the number of the last entry that was read for a cursor.
func (r *redis) loadEvents(after string, limit int) (service.FeedPage, error) {
	from, _ := strconv.Atoi(after)
	if after == service.Latest {
		from = len(r.stream)
	}
	to := min(len(r.stream), from+limit)
	return service.FeedPage{Events: slices.Clone(r.stream[from:to]), Next: strconv.Itoa(to)}, nil
}

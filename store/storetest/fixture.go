package storetest

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
)

// fixture is a store on a Redis that only one test uses.
type fixture struct {
	*store.Store
	client redis.UniversalClient
}

// unmarked returns a store on an empty Redis.
func unmarked(t testing.TB, connect connector, o store.Options) fixture {
	t.Helper()
	r := connect(t)
	o.Readers, o.AutoPipeline = r.Readers, r.AutoPipeline
	return fixture{store.New(r.UniversalClient, o), r.UniversalClient}
}

// fresh returns a store on a Redis that holds nothing but our marks.
func fresh(t testing.TB, connect connector) fixture {
	t.Helper()
	return freshWith(t, connect, options)
}

func freshWith(t testing.TB, connect connector, o store.Options) fixture {
	t.Helper()
	f := unmarked(t, connect, o)
	Must(t, f.Mark(t.Context(), identity))
	return f
}

// now returns the time of Redis's clock.
func (f fixture) now(t testing.TB) time.Time {
	t.Helper()
	now, err := f.client.Time(t.Context()).Result()
	Must(t, err)
	return now
}

// OrderOf returns the order of a payment in tests that name only payments: pi_1 is the payment of o_1.
func OrderOf(id payment.ID) payment.OrderID {
	return payment.OrderID("o" + strings.TrimPrefix(string(id), "pi"))
}

// The keys below are written out: a store that computes another key no longer finds its data.

func orderKey(id payment.OrderID) string {
	return fmt.Sprintf("kasse:{p%d}:order:%s", hashed(string(id)), id)
}

func foreignKey(order payment.OrderID, id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:foreign:%s", hashed(string(order)), id)
}

func pointerKey(id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:pi:%s", hashed(string(id)), id)
}

// eventsKey returns the stream of the partition of a payment's order.
func eventsKey(id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:events", hashed(string(OrderOf(id))))
}

func readsKey(name string) string { return fmt.Sprintf("kasse:{p%d}:reads", hashed(name)) }

// Partition returns the partition of an order, or of a payment's pointer, with the default REDIS_PARTITIONS.
func Partition(id string) int { return int(hashed(id)) }

func hashed(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32() % partitions
}

// neighbours returns payments whose orders are in partition 3.
func neighbours(count int) []payment.ID {
	var ids []payment.ID
	for i := 0; len(ids) < count; i++ {
		if id := payment.ID(fmt.Sprintf("pi_neighbour_%d", i)); hashed(string(OrderOf(id))) == 3 {
			ids = append(ids, id)
		}
	}
	return ids
}

// onePerPartition returns for each partition a payment whose order is there.
func onePerPartition() map[uint32]payment.ID {
	ids := map[uint32]payment.ID{}
	for i := 0; len(ids) < partitions; i++ {
		id := payment.ID(fmt.Sprintf("pi_alone_%d", i))
		ids[hashed(string(OrderOf(id)))] = id
	}
	return ids
}

// withPayment returns a copy of the order in which the payment has a record and an attempt, and both of these. They
// may be changed: the original order stays as it is.
func withPayment(o payment.Order, id payment.ID) (payment.Order, *payment.Payment, *payment.Attempt) {
	o.Attempts, o.Loaded = slices.Clone(o.Attempts), maps.Clone(o.Loaded)
	if o.Attempt(id) == nil {
		o.Attempts = append(o.Attempts, payment.Attempt{Number: len(o.Attempts) + 1, Payment: id})
	}
	p := &payment.Payment{ID: id}
	if known := o.Loaded[id]; known != nil {
		*p = *known
	}
	if o.Loaded == nil {
		o.Loaded = map[payment.ID]*payment.Payment{}
	}
	o.Loaded[id] = p
	return o, p, o.Attempt(id)
}

// Transition returns a visible write: it gives the payment a view and a line of history, and
// announces an event.
func Transition(o payment.Order, id payment.ID, now time.Time) (payment.Order, payment.Changes) {
	o, p, a := withPayment(o, id)
	version := max(o.Version+1, now.UnixMilli())
	o.Version, a.Version = version, version
	p.History = append(slices.Clone(p.History), payment.HistoryEntry{
		Version: version, To: payment.Pending, At: now.Unix(), Cause: payment.CauseAPI,
	})
	if p.Record.Empty() {
		p.Record.Creation = &payment.Observation{At: now.Unix(), Snapshot: payment.Snapshot{
			Status: payment.RequiresPaymentMethod, Amount: 1_999, Currency: "eur",
		}}
	}
	view := payment.RenderedView{
		Payment: id, Version: version, SecretHash: p.SecretHash, To: payment.Pending, JSON: o.Render(id),
	}
	event := payment.Announcement{ID: fmt.Sprintf("%s.%d", id, version), Type: "order.updated", Data: view.JSON}
	return o, payment.Changes{Now: now, Views: []payment.RenderedView{view}, Events: []payment.Announcement{event}}
}

// Unseen returns a write that changes the record of a payment, and nothing visible.
func Unseen(o payment.Order, id payment.ID, now time.Time) (payment.Order, payment.Changes) {
	o, p, _ := withPayment(o, id)
	p.Record.StaleAt++
	return o, payment.Changes{Now: now}
}

// leased returns a write that changes only the order's lease, and no payment.
func leased(o payment.Order, now time.Time) (payment.Order, payment.Changes) {
	o.Lease = payment.Lease{Owner: "owner", Until: o.Lease.Until + 1}
	return o, payment.Changes{Now: now}
}

func (f fixture) load(t testing.TB, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time) {
	t.Helper()
	o, now, err := f.LoadOrder(t.Context(), ref, ids...)
	Must(t, err)
	return o, now
}

func (f fixture) order(t testing.TB, id payment.OrderID, ids ...payment.ID) payment.Order {
	t.Helper()
	o, _ := f.load(t, payment.Ref{Order: id}, ids...)
	return o
}

// save saves the order, and returns it as it is stored. It fails the test if nothing was written.
func (f fixture) save(t testing.TB, o payment.Order, c payment.Changes) payment.Order {
	t.Helper()
	saved, err := f.SaveOrder(t.Context(), o, c)
	Must(t, err)
	if !saved.Written {
		t.Fatal("nothing was written")
	}
	return saved.Order
}

// put writes one transition of the payment and, with its first, the pointer to its order. It
// returns the event's id.
func (f fixture) put(t testing.TB, id payment.ID) string {
	t.Helper()
	return f.putIn(t, OrderOf(id), id)
}

// putIn is put for a payment of the order.
func (f fixture) putIn(t testing.TB, order payment.OrderID, id payment.ID) string {
	t.Helper()
	o, now := f.load(t, payment.Ref{Order: order}, id)
	if o.Attempt(id) == nil {
		Must(t, f.SavePointer(t.Context(), id, order, now.Add(retention)))
	}
	o, c := Transition(o, id, now)
	f.save(t, o, c)
	return c.Events[0].ID
}

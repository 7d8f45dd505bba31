package storetest

import (
	"context"
	"errors"
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

// Redis is how the suite reaches one.
type Redis struct {
	redis.UniversalClient
	Readers      *store.Readers // nil: readers share the client
	AutoPipeline bool           // commands of one moment go in one pipeline
}

// connector returns the way to a Redis that holds nothing. It ends with the test.
type connector func(t testing.TB) Redis

// Run is what every kind of Redis must pass. Connect is called once or more in a test, each time
// for a Redis that holds nothing; one server may serve all tests, which run one after the other.
// Commands name the keys of one partition only, so that the suite runs on a Redis Cluster as it
// stands.
func Run(t *testing.T, connect func(t testing.TB) Redis) {
	t.Helper()
	c := connector(connect)
	t.Run("orders", c.testOrders)
	t.Run("order loads", c.testOrderLoads)
	t.Run("order writes", c.testOrderWrites)
	t.Run("pointers", c.testPointers)
	t.Run("views", c.testViews)
	t.Run("foreign payments", c.testForeign)
	t.Run("unmarked", c.testUnmarked)
	t.Run("retention", c.testRetention)
	t.Run("corrupt", c.testCorrupt)
	t.Run("reads", c.testReads)
	t.Run("read budget", c.testBudget)
	t.Run("sweeps", c.testSweeps)
	t.Run("restores", c.testRestores)
	t.Run("attention", c.testAttention)
	t.Run("leases", c.testLeases)
	t.Run("catch-up", c.testCatchUp)
	t.Run("rebuild", c.testRebuild)
	t.Run("discard", c.testDiscard)
	t.Run("lowest retention", c.testLowestRetention)
	t.Run("quotas", c.testQuotas)
	t.Run("quarantine", c.testQuarantine)
	t.Run("watch", c.testWatch)
	t.Run("feed", c.testFeed)
	t.Run("cursor", c.testCursor)
	t.Run("feed while writing", c.testFeedWhileWriting)
	t.Run("pushes", c.testPushes)
	t.Run("retries of pushes", c.testRetries)
	t.Run("marks", c.testMarks)
	t.Run("other identities", c.testIdentities)
	t.Run("dump", c.testDump)
}

// patience bounds every wait for something that must happen; it is spent only where it does not.
const patience = 20 * time.Second

// partitions, retention and eventRetention are the defaults of the configuration.
const (
	partitions     = 16
	retention      = 13_200 * time.Hour
	eventRetention = 720 * time.Hour
)

var (
	options  = store.Options{Partitions: partitions, Retention: retention, EventRetention: eventRetention}
	identity = store.Identity{Account: "acct_1", Service: "kasse"}
)

// fixture is a store on a Redis of its own.
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
	must(t, f.Mark(t.Context(), identity))
	return f
}

// now is Redis's clock.
func (f fixture) now(t testing.TB) time.Time {
	t.Helper()
	_, now, err := f.LoadOrder(t.Context(), payment.Ref{Order: "o_absent"})
	must(t, err)
	return now
}

// OrderOf is the order of a payment in tests that name only payments: pi_1 is the payment of o_1.
func OrderOf(id payment.ID) payment.OrderID {
	return payment.OrderID("o" + strings.TrimPrefix(string(id), "pi"))
}

// The keys below are spelled out. A store that computes another place loses what is stored.

func orderKey(id payment.OrderID) string {
	return fmt.Sprintf("kasse:{p%d}:order:%s", hashed(string(id)), id)
}

func foreignKey(order payment.OrderID, id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:foreign:%s", hashed(string(order)), id)
}

func pointerKey(id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:pi:%s", hashed(string(id)), id)
}

// eventsKey is the stream of the order of a payment.
func eventsKey(id payment.ID) string {
	return fmt.Sprintf("kasse:{p%d}:events", hashed(string(OrderOf(id))))
}

func readsKey(name string) string { return fmt.Sprintf("kasse:{p%d}:reads", hashed(name)) }

// Partition is where an order, or the pointer of a payment, lies at the default of REDIS_PARTITIONS.
func Partition(id string) int { return int(hashed(id)) }

func hashed(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32() % partitions
}

// neighbours returns payments whose orders lie in partition 3.
func neighbours(count int) []payment.ID {
	var ids []payment.ID
	for i := 0; len(ids) < count; i++ {
		if id := payment.ID(fmt.Sprintf("pi_neighbour_%d", i)); hashed(string(OrderOf(id))) == 3 {
			ids = append(ids, id)
		}
	}
	return ids
}

// onePerPartition returns a payment for every partition, in which its order lies.
func onePerPartition() map[uint32]payment.ID {
	ids := map[uint32]payment.ID{}
	for i := 0; len(ids) < partitions; i++ {
		id := payment.ID(fmt.Sprintf("pi_alone_%d", i))
		ids[hashed(string(OrderOf(id)))] = id
	}
	return ids
}

// withPayment returns the order with a record of the payment that may be changed, and with its
// attempt. The order that it was given stays as it was.
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

// Transition is a write that shows: it gives the payment a view and a line of history, and
// announces an event.
func Transition(o payment.Order, id payment.ID, now time.Time) (payment.Order, payment.Changes) {
	o, p, a := withPayment(o, id)
	version := max(o.Version+1, now.UnixMilli())
	o.Version, a.Version = version, version
	p.History = append(slices.Clone(p.History), payment.HistoryEntry{
		Version: version, To: payment.Pending, At: now.Unix(), Cause: payment.CauseAPI,
	})
	view := payment.RenderedView{Payment: id, Version: version, SecretHash: p.SecretHash, To: payment.Pending}
	view.JSON = fmt.Appendf(nil, `{"payment_intent":%q,"order_id":%q,"version":%d,"customer":null}`, id, o.ID, version)
	event := payment.Announcement{ID: fmt.Sprintf("%s.%d", id, version), Type: "order.updated", Data: view.JSON}
	return o, payment.Changes{Now: now, Views: []payment.RenderedView{view}, Events: []payment.Announcement{event}}
}

// Unseen is a write that changes the record of a payment, and nothing visible.
func Unseen(o payment.Order, id payment.ID, now time.Time) (payment.Order, payment.Changes) {
	o, p, _ := withPayment(o, id)
	p.Record.StaleAt++
	return o, payment.Changes{Now: now}
}

// leased is a write of the order alone, as a lease is.
func leased(o payment.Order, now time.Time) (payment.Order, payment.Changes) {
	o.Lease = payment.Lease{Owner: "owner", Until: o.Lease.Until + 1}
	return o, payment.Changes{Now: now}
}

func (f fixture) load(t testing.TB, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time) {
	t.Helper()
	o, now, err := f.LoadOrder(t.Context(), ref, ids...)
	must(t, err)
	return o, now
}

func (f fixture) order(t testing.TB, id payment.OrderID, ids ...payment.ID) payment.Order {
	t.Helper()
	o, _ := f.load(t, payment.Ref{Order: id}, ids...)
	return o
}

// save saves what must be written, and returns the order as it is then.
func (f fixture) save(t testing.TB, o payment.Order, c payment.Changes) payment.Order {
	t.Helper()
	saved, err := f.SaveOrder(t.Context(), o, c)
	must(t, err)
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
		must(t, f.SavePointer(t.Context(), id, order, now.Add(retention)))
	}
	o, c := Transition(o, id, now)
	f.save(t, o, c)
	return c.Events[0].ID
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hasCode fails the test unless the error is one that callers may see, with the code.
func hasCode(t testing.TB, err error, code payment.Code) *payment.Error {
	t.Helper()
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
	return e
}

// unchanged fails the test if the dumps differ, and names the keys.
func unchanged(t testing.TB, before, after map[string]string) {
	t.Helper()
	for key, text := range after {
		if before[key] != text {
			t.Errorf("%s was %q, is %q", key, before[key], text)
		}
	}
	for key := range before {
		if _, there := after[key]; !there {
			t.Errorf("%s is gone", key)
		}
	}
}

// eventually tries again until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// plain fails the test where a message is not for people.
func plain(t testing.TB, message string) {
	t.Helper()
	for _, odd := range []string{"%!", "map[", "0x", "nil", "redis:", "{"} {
		if strings.Contains(message, odd) {
			t.Errorf("%q has %q in it", message, odd)
		}
	}
}

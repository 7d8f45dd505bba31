package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service"
	"kasse/store"
)

// Redis is how the suite reaches one.
type Redis struct {
	redis.UniversalClient
	Readers *store.Readers // nil: readers share the client
	Levered bool           // questions that are asked at the same time go in one pipeline
}

// connector returns the way to a Redis that holds nothing. It ends with the test.
type connector func(t testing.TB) Redis

// Run is what every kind of Redis must pass. Connect is called once or more in a test, each time for a Redis that holds
// nothing; one server may serve all tests, which run one after the other. Commands name the keys of one partition only,
// so that the suite runs on a Redis Cluster as it stands.
func Run(t *testing.T, connect func(t testing.TB) Redis) {
	t.Helper()
	c := connector(connect)
	t.Run("payments", c.testPayments)
	t.Run("payment writes", c.testPaymentWrites)
	t.Run("orders", c.testOrders)
	t.Run("unmarked", c.testUnmarked)
	t.Run("retention", c.testRetention)
	t.Run("corrupt", c.testCorrupt)
	t.Run("reads", c.testReads)
	t.Run("read budget", c.testBudget)
	t.Run("sweeps", c.testSweeps)
	t.Run("restores", c.testRestores)
	t.Run("leases", c.testLeases)
	t.Run("catch-up", c.testCatchUp)
	t.Run("rebuild", c.testRebuild)
	t.Run("quotas", c.testQuotas)
	t.Run("quarantine", c.testQuarantine)
	t.Run("watch", c.testWatch)
	t.Run("feed", c.testFeed)
	t.Run("cursor", c.testCursor)
	t.Run("feed while writing", c.testFeedWhileWriting)
	t.Run("pushes", c.testPushes)
	t.Run("retries of pushes", c.testRetries)
	t.Run("circuits of pushes", c.testCircuit)
	t.Run("log of pushes", c.testPushLog)
	t.Run("redrive", c.testRedrive)
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
	o.Readers, o.AutoPipeline = r.Readers, r.Levered
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
	_, now, err := f.LoadPayment(t.Context(), "pi_of_nobody")
	must(t, err)
	return now
}

// paymentKey and orderKey spell out where a record lies. A store that computes another place loses what is stored.
func paymentKey(id service.PaymentID) string {
	return fmt.Sprintf("kasse:{p%d}:payment:%s", hashed(string(id)), id)
}

func orderKey(id service.OrderID) string {
	return fmt.Sprintf("kasse:{o%d}:order:%s", hashed(string(id)), id)
}

func eventsKey(id service.PaymentID) string {
	return fmt.Sprintf("kasse:{p%d}:events", hashed(string(id)))
}

func readsKey(id service.PaymentID) string {
	return fmt.Sprintf("kasse:{p%d}:reads", hashed(string(id)))
}

// Partition is where a payment or an order lies at the default of REDIS_PARTITIONS.
func Partition(id string) int { return int(hashed(id)) }

func hashed(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32() % partitions
}

// neighbours returns payments of one partition.
func neighbours(count int) []service.PaymentID {
	var ids []service.PaymentID
	for i := 0; len(ids) < count; i++ {
		if id := service.PaymentID(fmt.Sprintf("pi_neighbour_%d", i)); hashed(string(id)) == 3 {
			ids = append(ids, id)
		}
	}
	return ids
}

// onePerPartition returns a payment of every partition.
func onePerPartition() map[uint32]service.PaymentID {
	ids := map[uint32]service.PaymentID{}
	for i := 0; len(ids) < partitions; i++ {
		id := service.PaymentID(fmt.Sprintf("pi_alone_%d", i))
		ids[hashed(string(id))] = id
	}
	return ids
}

// transition is a write that shows: it has a view, a line of history, and an event.
func transition(p service.Payment, now time.Time) service.PaymentWrite {
	version := now.UnixMilli() + p.Revision + 1
	p.View = fmt.Appendf(nil, `{"payment_intent":%q,"version":%d}`, p.ID, version)
	return service.PaymentWrite{
		Payment: p, Version: version, Now: now,
		History: fmt.Appendf(nil, `{"version":%d}`, version),
		Event:   &service.Announced{ID: fmt.Sprintf("%s.%d", p.ID, version), Type: "order.updated"},
	}
}

// unseen is a write that changes nothing visible.
func unseen(p service.Payment, now time.Time) service.PaymentWrite {
	return service.PaymentWrite{Payment: p, Now: now}
}

// put writes one transition of the payment, and returns the event's id.
func (f fixture) put(t testing.TB, id service.PaymentID) string {
	t.Helper()
	p, now, err := f.LoadPayment(t.Context(), id)
	must(t, err)
	w := transition(p, now)
	must(t, f.SavePayment(t.Context(), w))
	return w.Event.ID
}

func (f fixture) payment(t testing.TB, id service.PaymentID) service.Payment {
	t.Helper()
	p, _, err := f.LoadPayment(t.Context(), id)
	must(t, err)
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hasCode fails the test unless the error is the service's, with the code.
func hasCode(t testing.TB, err error, code service.Code) *service.Error {
	t.Helper()
	var e *service.Error
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

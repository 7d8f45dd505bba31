package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/test/wait"
)

// listening runs Listen until the test ends. It returns once Listen has subscribed, since earlier hints
// are lost.
func listening(t testing.TB, f fixture) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); f.Listen(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	hints, stop := f.WatchPayment("pi_first")
	defer stop()
	wait.UntilTrue(t, "the first hint", func() bool { f.put(t, "pi_first"); return hinted(hints) })
}

func hinted(hints <-chan struct{}) bool {
	select {
	case <-hints:
		return true
	default:
		return false
	}
}

func awaitHint(t testing.TB, hints <-chan struct{}) {
	t.Helper()
	select {
	case <-hints:
	case <-time.After(waitLimit):
		t.Fatal("no hint arrived")
	}
}

func (connect connector) testWatch(t *testing.T) {
	t.Run("calls a function after a write of a payment, until it is stopped", connect.watchCallsAfterAWrite)
	t.Run("sends a hint after a write to all watchers of the payment", connect.watchHintsAfterAWrite)
	t.Run("sends no hint if nothing visible has changed", connect.watchSendsNoHint)
	t.Run("sends hints for the payments of an order whose view has changed", connect.hintsOfOne)
	t.Run("sends a hint after every write of an order", connect.watchHintsAfterEveryWrite)
	t.Run("sends a hint of every payment to watchers of all events", connect.watchHintsOfEveryPayment)
	t.Run("joins the hints for a slow watcher", connect.watchJoinsHints)
	t.Run("stops", connect.watchStops)
	t.Run("leaves no goroutine and no subscription", connect.watchLeavesNothing)
}

func (connect connector) watchCallsAfterAWrite(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(2)
	var one, two, other atomic.Int32
	count := func(n *atomic.Int32) func() { return func() { n.Add(1) } }
	stop := f.OnPaymentChange(ids[0], count(&one))
	defer f.OnPaymentChange(ids[0], count(&two))()
	defer f.OnPaymentChange(ids[1], count(&other))()
	f.put(t, ids[0])
	wait.UntilTrue(t, "both calls", func() bool { return one.Load() > 0 && two.Load() > 0 })
	stop()
	before, again := one.Load(), two.Load()
	f.put(t, ids[0])
	wait.UntilTrue(t, "another call", func() bool { return two.Load() > again })
	if one.Load() != before || other.Load() != 0 {
		t.Errorf("the stopped function has %d calls, want %d; that of another payment %d, want 0",
			one.Load(), before, other.Load())
	}
}

func (connect connector) watchHintsAfterAWrite(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(3)
	one, stop := f.WatchPayment(ids[0])
	defer stop()
	two, stop := f.WatchPayment(ids[0])
	defer stop()
	other, stop := f.WatchPayment(ids[1])
	defer stop()
	f.put(t, ids[0])
	awaitHint(t, one)
	awaitHint(t, two)
	f.settled(t, ids[2])
	if hinted(other) {
		t.Error("a watcher of another payment got a hint")
	}
}

func (connect connector) watchSendsNoHint(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(2)
	f.put(t, ids[0])
	f.settled(t, ids[1])
	hints, stop := f.WatchPayment(ids[0])
	defer stop()
	o, c := Unseen(f.order(t, OrderOf(ids[0])), ids[0], f.now(t))
	f.save(t, o, c)
	f.settled(t, ids[1])
	if hinted(hints) {
		t.Error("a hint arrived")
	}
}

func (connect connector) watchHintsAfterEveryWrite(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	hints, stop := f.WatchOrder("o-1")
	defer stop()
	for range 3 {
		f.lease(t, "o-1")
		awaitHint(t, hints)
	}
	f.putIn(t, "o-1", "pi_1")
	awaitHint(t, hints)
}

func (connect connector) watchHintsOfEveryPayment(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(1)
	f.settled(t, ids[0])
	hints, stop := f.WatchEvents()
	defer stop()
	for _, id := range []payment.ID{ids[0], numbered(1), numbered(2)} {
		f.put(t, id)
		awaitHint(t, hints)
	}
	quiet, stop := f.WatchEvents()
	defer stop()
	f.lease(t, "o-1")
	order, stopOrder := f.WatchOrder("o-2")
	defer stopOrder()
	f.lease(t, "o-2")
	awaitHint(t, order)
	if hinted(quiet) {
		t.Error("a watcher of events got a hint of an order")
	}
}

func (connect connector) watchJoinsHints(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(2)
	slow, stop := f.WatchPayment(ids[0])
	defer stop()
	for range 300 {
		f.put(t, ids[0])
	}
	f.settled(t, ids[1])
	if !hinted(slow) || hinted(slow) {
		t.Error("want exactly one hint")
	}
}

func (connect connector) watchStops(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	ids := neighbours(2)
	stopped, stop := f.WatchPayment(ids[0])
	kept, stopKept := f.WatchPayment(ids[0])
	defer stopKept()
	stop()
	stop()
	f.put(t, ids[0])
	awaitHint(t, kept)
	f.settled(t, ids[1])
	if hinted(stopped) {
		t.Error("a hint arrived after stop")
	}
}

func (connect connector) watchLeavesNothing(t *testing.T) {
	f := fresh(t, connect)
	f.now(t)
	f.put(t, "pi_first") // opens the connections that stay
	f.view(t, "pi_first")
	Must(t, f.client.PubSubChannels(t.Context(), "kasse:*").Err())
	before := goleak.IgnoreCurrent()
	t.Run("while it runs", func(t *testing.T) {
		listening(t, f)
		for i := range 100 {
			_, stop := f.WatchPayment(payment.ID(fmt.Sprintf("pi_%d", i)))
			stop()
		}
	})
	wait.UntilTrue(t, "the subscriptions to end", func() bool {
		channels, err := f.client.PubSubChannels(t.Context(), "kasse:*").Result()
		Must(t, err)
		return len(channels) == 0
	})
	goleak.VerifyNone(t, before)
}

// lease writes a lease of the order, and nothing of its payments.
func (f fixture) lease(t testing.TB, id payment.OrderID) {
	t.Helper()
	o, c := leased(f.order(t, id), f.now(t))
	f.save(t, o, c)
}

// hintsOfOne: of an order with two payments, a watcher of one gets no hint while only the other changes.
func (connect connector) hintsOfOne(t *testing.T) {
	f := fresh(t, connect)
	listening(t, f)
	order := OrderOf(neighbours(1)[0])
	f.putIn(t, order, "pi_1")
	f.putIn(t, order, "pi_2")
	f.settled(t, neighbours(2)[1])
	one, stop := f.WatchPayment("pi_1")
	defer stop()
	two, stop := f.WatchPayment("pi_2")
	defer stop()
	all, stop := f.WatchOrder(order)
	defer stop()
	f.putIn(t, order, "pi_2")
	awaitHint(t, two)
	awaitHint(t, all)
	f.lease(t, order)
	awaitHint(t, all)
	f.settled(t, neighbours(2)[1])
	if hinted(one) || hinted(two) {
		t.Error("a hint arrived for a payment whose view is unchanged")
	}
	o, first := Transition(f.order(t, order, "pi_1"), "pi_1", f.now(t))
	o, second := Transition(o, "pi_2", f.now(t))
	first.Views = append(first.Views, second.Views...)
	f.save(t, o, first)
	awaitHint(t, one)
	awaitHint(t, two)
	f.putForeign(t, payment.Ref{Order: order, Foreign: "pi_1"}) // with the id that is watched
	awaitHint(t, one)
}

// settled waits until all hints for earlier writes in the partition of the payment's order have arrived: hints
// arrive in order.
func (f fixture) settled(t testing.TB, id payment.ID) {
	t.Helper()
	hints, stop := f.WatchPayment(id)
	defer stop()
	f.put(t, id)
	awaitHint(t, hints)
}

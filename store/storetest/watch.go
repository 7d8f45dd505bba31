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

// listening runs Listen until the test ends, and returns once it has subscribed: earlier hints are
// lost.
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
	case <-time.After(patience):
		t.Fatal("no hint came")
	}
}

func (connect connector) testWatch(t *testing.T) {
	t.Run("calls at a write of a payment, until it is stopped", connect.watchCallsAtAWrite)
	t.Run("hints at a write of a payment, to those who watch it", connect.watchHintsAtAWrite)
	t.Run("gives no hint where nothing visible changed", connect.watchGivesNoHint)
	t.Run("hints at the payments of an order whose view changed", connect.hintsOfOne)
	t.Run("hints at every write of an order", connect.watchHintsAtEveryWrite)
	t.Run("hints at every payment to those who follow all", connect.watchHintsAtEveryPayment)
	t.Run("makes one hint of many for those who are slow", connect.watchMakesOneHintOfMany)
	t.Run("stops", connect.watchStops)
	t.Run("leaves nothing behind", connect.watchLeavesNothingBehind)
}

func (connect connector) watchCallsAtAWrite(t *testing.T) {
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
		t.Errorf("the stopped one has %d of %d calls, that of another payment %d", one.Load(), before, other.Load())
	}
}

func (connect connector) watchHintsAtAWrite(t *testing.T) {
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
		t.Error("a hint came to another payment")
	}
}

func (connect connector) watchGivesNoHint(t *testing.T) {
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
		t.Error("a hint came")
	}
}

func (connect connector) watchHintsAtEveryWrite(t *testing.T) {
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

func (connect connector) watchHintsAtEveryPayment(t *testing.T) {
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
		t.Error("a hint came of an order")
	}
}

func (connect connector) watchMakesOneHintOfMany(t *testing.T) {
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
		t.Error("a hint came after stop")
	}
}

func (connect connector) watchLeavesNothingBehind(t *testing.T) {
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

// lease writes the order alone.
func (f fixture) lease(t testing.TB, id payment.OrderID) {
	t.Helper()
	o, c := leased(f.order(t, id), f.now(t))
	f.save(t, o, c)
}

// hintsOfOne has an order with two payments: waiters of one sleep on while only the other changes.
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
		t.Error("a hint came, and the payment looks as before")
	}
	o, first := Transition(f.order(t, order, "pi_1"), "pi_1", f.now(t))
	o, second := Transition(o, "pi_2", f.now(t))
	first.Views = append(first.Views, second.Views...)
	f.save(t, o, first)
	awaitHint(t, one)
	awaitHint(t, two)
	f.putForeign(t, payment.Ref{Order: order, Foreign: "pi_1"}) // a name of both kinds, so that the hint is seen
	awaitHint(t, one)
}

// settled returns when all hints for earlier writes in the partition of the payment's order have
// been passed on: they come in order.
func (f fixture) settled(t testing.TB, id payment.ID) {
	t.Helper()
	hints, stop := f.WatchPayment(id)
	defer stop()
	f.put(t, id)
	awaitHint(t, hints)
}

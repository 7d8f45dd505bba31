package store

import (
	"slices"
	"strings"
	"sync"

	"kasse/service/payment"
)

// watch wakes waiters for a change, on the one subscription of the process. It carries hints only:
// Redis drops messages when a reader is slow and while it reconnects, so every waiter also looks
// again from time to time.
type watch struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool // by channel and id
	calls   map[string][]*call                // as above
}

// call is a function that is called at each hint.
type call struct{ hint func() }

func newWatch() *watch {
	return &watch{waiting: map[string]map[chan struct{}]bool{}, calls: map[string][]*call{}}
}

// on returns a channel that gets a hint when the record changes, until stop is called.
func (w *watch) on(key string) (hints <-chan struct{}, stop func()) {
	mine := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[key] == nil {
		w.waiting[key] = map[chan struct{}]bool{}
	}
	w.waiting[key][mine] = true
	return mine, func() { w.off(key, mine) }
}

func (w *watch) off(key string, mine chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting[key], mine)
	if len(w.waiting[key]) == 0 {
		delete(w.waiting, key)
	}
}

// call calls the function when the record changes, until stop is called. The function must not block, and must not
// call the watch.
func (w *watch) call(key string, hint func()) (stop func()) {
	mine := &call{hint}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[key] = append(w.calls[key], mine)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls[key] = slices.DeleteFunc(w.calls[key], func(c *call) bool { return c == mine })
		if len(w.calls[key]) == 0 {
			delete(w.calls, key)
		}
	}
}

func (w *watch) wake(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls[key] {
		c.hint()
	}
	for mine := range w.waiting[key] {
		select {
		case mine <- struct{}{}:
		default: // it has a hint already
		}
	}
}

// WatchPayment returns a channel that gets a hint at each visible change of the payment, until stop
// is called.
func (s *Store) WatchPayment(id payment.ID) (hints <-chan struct{}, stop func()) {
	return s.watch.on("payment " + string(id))
}

// OnPaymentChange calls the function at each visible change of the payment, until stop is called. The function must not
// block, and must not call the store.
func (s *Store) OnPaymentChange(id payment.ID, hint func()) (stop func()) {
	return s.watch.call("payment "+string(id), hint)
}

// WatchEvents returns a channel that gets a hint at each visible change of any payment, until stop
// is called.
func (s *Store) WatchEvents() (hints <-chan struct{}, stop func()) { return s.watch.on(anyPayment) }

// anyPayment is the key of waiters for all payments; no payment or order has it.
const anyPayment = "payments"

// WatchOrder returns a channel that gets a hint at each write of the order, until stop is called.
func (s *Store) WatchOrder(id payment.OrderID) (hints <-chan struct{}, stop func()) {
	return s.watch.on("order " + string(id))
}

// pass wakes the waiters of an order, and of its payments whose view has changed, that a hint names.
func (s *Store) pass(channel, payload string) {
	if payload == passesHint {
		s.looks.hint(queuePasses, 0)
		return
	}
	s.looks.saved(partitionOf(channel))
	order, changed, visible := strings.Cut(payload, " ")
	s.watch.wake("order " + order)
	if !visible {
		return
	}
	_, key := s.orderKey(payment.Ref{Order: payment.OrderID(order)})
	s.forgetView(key)
	for id := range strings.SplitSeq(changed, " ") {
		_, foreign := s.orderKey(payment.Ref{Order: payment.OrderID(order), Foreign: payment.ID(id)})
		s.forgetView(foreign)
		s.watch.wake("payment " + id)
	}
	s.watch.wake(anyPayment)
	s.appended.hint(partitionOf(channel))
}

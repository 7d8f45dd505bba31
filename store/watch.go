package store

import (
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
}

func newWatch() *watch { return &watch{waiting: map[string]map[chan struct{}]bool{}} }

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

func (w *watch) wake(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
	s.appended.hint(channel)
}

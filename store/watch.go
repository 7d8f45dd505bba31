package store

import (
	"context"
	"sync"

	"kasse/service"
)

// watch wakes those who wait for a record, on the one subscription of the process. It carries hints only: Redis drops
// messages when a reader is slow and while it reconnects, so whoever waits also looks again from time to time.
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

// WatchPayment returns a channel that gets a hint at each visible change of the payment, until stop is called.
func (s *Store) WatchPayment(id service.PaymentID) (hints <-chan struct{}, stop func()) {
	return s.watch.on(s.paymentPartition(id).changed() + string(id))
}

// WatchEvents returns a channel that gets a hint at each visible change of any payment, until stop is called.
func (s *Store) WatchEvents() (hints <-chan struct{}, stop func()) { return s.watch.on(anyPayment) }

// anyPayment is what those wait for who follow all payments; no channel is called so.
const anyPayment = "payments"

// WatchOrder returns a channel that gets a hint at each write of the order, until stop is called.
func (s *Store) WatchOrder(id service.OrderID) (hints <-chan struct{}, stop func()) {
	return s.watch.on(s.orderPartition(id).changed() + string(id))
}

// Listen passes hints on until the context ends. go-redis reconnects by itself; it breaks no handshake off, so that the
// end may take as long as one (5 s) where Redis does not answer.
func (s *Store) Listen(ctx context.Context) {
	var channels []string
	ofPayments := map[string]bool{}
	for n := range s.Partitions {
		channels = append(channels, s.paymentPartitionAt(n).changed(), s.orderPartitionAt(n).changed())
		ofPayments[s.paymentPartitionAt(n).changed()] = true
	}
	subscription := s.redis.Subscribe(ctx, channels...)
	defer subscription.Close() //nolint:errcheck // nothing is lost with a subscription
	messages := subscription.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-messages:
			if !open {
				return
			}
			if ofPayments[m.Channel] {
				s.forgetView(service.PaymentID(m.Payload))
				s.watch.wake(anyPayment)
				s.appended.hint(m.Channel)
			}
			s.watch.wake(m.Channel + m.Payload)
		}
	}
}

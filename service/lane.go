package service

import (
	"context"
	"strings"
	"sync"

	"kasse/service/payment"
)

// lane is what a process has in its hands of one partition: for each payment a queue, whose first is being delivered.
type lane struct {
	mu      sync.Mutex
	queues  map[payment.ID][]Delivery
	entries map[string]bool
	ctx     context.Context // of the deliveries under way, which end together
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (l *lane) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// accept queues deliveries but those that are in its hands already, and returns the payments that somebody has to follow.
func (l *lane) accept(ctx context.Context, all []Delivery) (begin []payment.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(ctx)
		l.queues, l.entries = map[payment.ID][]Delivery{}, map[string]bool{}
	}
	for _, d := range all {
		if l.entries[d.Event.Entry] {
			continue
		}
		intent, _, _ := strings.Cut(d.Event.ID, ".")
		id := payment.ID(intent)
		if len(l.queues[id]) == 0 {
			begin = append(begin, id)
		}
		l.entries[d.Event.Entry] = true
		l.queues[id] = append(l.queues[id], d)
	}
	return begin
}

// head returns the payment's delivery to be made now, and the context to make it in.
func (l *lane) head(id payment.ID) (context.Context, Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ctx, l.queues[id][0]
}

// done takes the payment's first delivery out of the queue, and reports whether there is another.
func (l *lane) done(id payment.ID) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, l.queues[id][0].Event.Entry)
	l.queues[id] = l.queues[id][1:]
	if len(l.queues[id]) == 0 {
		delete(l.queues, id)
		return false
	}
	return true
}

// drop breaks off all that is under way, and waits for its end: another process has it.
func (l *lane) drop() {
	if l.held() == 0 {
		return
	}
	l.cancel()
	l.running.Wait()
	l.ctx = nil
}

package push

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"
)

// partitionQueue holds this process's claimed deliveries of one partition to one endpoint: a queue for each
// order, whose first delivery is in flight.
type partitionQueue struct {
	mu      sync.Mutex
	orders  map[string][]Delivery // by orderOf
	keys    map[string]bool       // of the deliveries that are held: those in orders, and those that are being recorded
	first   int                   // first deliveries that are held
	retries int                   // retries that are held
	ctx     context.Context       // of the requests under way; ends when the partition is another's
	cancel  context.CancelFunc
	running sync.WaitGroup

	partitionState
}

// partitionState is what the last claim returned about a partition. Only the claiming goroutine uses it.
type partitionState struct {
	appended  bool      // a hint arrived after the last claim
	candidate bool      // the partition has deliveries that may serve as a probe
	elsewhere time.Time // end of another owner's lease; zero: the partition is not another's
	nextRetry time.Time // when the next waiting retry is due; zero: none waits
	claimAt   time.Time // when to claim again after a failure, or after another owner's lease; zero: with the others
	waiting   int       // entries that no worker has claimed
}

// held returns how many deliveries the queue holds.
func (q *partitionQueue) held() (first, retries int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.first, q.retries
}

// add queues deliveries that are not queued yet, and returns the orders that need a new goroutine. Deliveries
// of an order are sorted by age, behind the one in flight.
func (q *partitionQueue) add(ctx context.Context, deliveries []Delivery) (started []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keys == nil {
		q.orders, q.keys = map[string][]Delivery{}, map[string]bool{}
	}
	if q.ctx == nil {
		q.ctx, q.cancel = context.WithCancel(ctx)
	}
	for _, d := range deliveries {
		key := d.key()
		if q.keys[key] {
			continue
		}
		q.keys[key] = true
		q.count(d, 1)
		order := orderOf(d.Event)
		queue := q.orders[order]
		if len(queue) == 0 {
			started = append(started, order)
		}
		at := len(queue)
		for at > 1 && entryLess(d.Event.Entry, queue[at-1].Event.Entry) {
			at--
		}
		queue = append(queue, d)
		copy(queue[at+1:], queue[at:])
		queue[at] = d
		q.orders[order] = queue
	}
	return started
}

// key distinguishes deliveries of one stream entry: a retry may have been added beside the first
// delivery by a replay.
func (d Delivery) key() string {
	if d.Retry {
		return d.Event.Entry + " " + strconv.Itoa(d.Tries)
	}
	return d.Event.Entry
}

func (q *partitionQueue) count(d Delivery, by int) {
	if d.Retry {
		q.retries += by
	} else {
		q.first += by
	}
}

// head returns the delivery of an order that is to be made now, and the context of its request.
func (q *partitionQueue) head(order string) (context.Context, Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ctx, q.orders[order][0]
}

// next removes the head of an order, which is still held, and reports whether there is another.
func (q *partitionQueue) next(order string) (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.orders[order][1:]
	if len(rest) == 0 {
		delete(q.orders, order)
	} else {
		q.orders[order] = rest
	}
	return len(rest) > 0
}

// drop ends the hold of a delivery, and returns how many are still held.
func (q *partitionQueue) drop(d Delivery) (held int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if key := d.key(); q.keys[key] {
		delete(q.keys, key)
		q.count(d, -1)
	}
	return q.first + q.retries
}

// abandon cancels the requests under way and waits for their end: the partition is another owner's.
func (q *partitionQueue) abandon() {
	if first, retries := q.held(); first+retries == 0 || q.ctx == nil {
		return
	}
	q.cancel()
	q.running.Wait()
	q.ctx = nil
}

// entryLess reports whether stream id a is before b.
func entryLess(a, b string) bool {
	aTime, aCount, _ := strings.Cut(a, "-")
	bTime, bCount, _ := strings.Cut(b, "-")
	if aTime != bTime {
		return numberLess(aTime, bTime)
	}
	return numberLess(aCount, bCount)
}

// numberLess compares decimal numbers without leading zeros.
func numberLess(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

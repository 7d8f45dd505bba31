package push

import (
	"context"
	"time"
)

// orderRun is an order of a partition with deliveries to make.
type orderRun struct {
	queue *partitionQueue
	order string
}

// followOrders follows an order, and then others for as long as they come: a new goroutine for each
// would have to grow its stack for every request again.
func (w *endpointWorker) followOrders(ctx context.Context, run orderRun) {
	idle := time.NewTimer(followerIdle)
	defer idle.Stop()
	for {
		w.follow(ctx, run.queue, run.order)
		run.queue.running.Done()
		idle.Reset(followerIdle)
		select {
		case run = <-w.orders:
		case <-idle.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// follow makes the deliveries of one order, one after the other, until none is left.
func (w *endpointWorker) follow(ctx context.Context, q *partitionQueue, order string) {
	for more := true; more; {
		request, d := q.head(order)
		recorded := w.attempt(ctx, request, q, d)
		more = q.next(order)
		if recorded {
			w.drop(q, d)
		}
	}
}

// drop ends the hold of a delivery. The claiming goroutine may have room again.
func (w *endpointWorker) drop(q *partitionQueue, d Delivery) {
	if held := q.drop(d); held == queueWindow/2 || held == 0 && w.circuit.open.Load() {
		w.wakeUp()
	}
}

package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// entriesRead is a hook that counts the stream entries a client has received.
type entriesRead struct{ atomic.Int64 }

func (c *entriesRead) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *entriesRead) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *entriesRead) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if entries, ok := cmd.(*redis.XMessageSliceCmd); ok {
			c.Add(int64(len(entries.Val())))
		}
		return err
	}
}

// TestOrderEventsAreReadWhereTheyAre: an order's events are read without the events that other orders have appended
// before and after them. If an event is far from the time of its version, the whole stream is read.
func TestOrderEventsAreReadWhereTheyAre(t *testing.T) {
	ctx, client := t.Context(), connect(t, storetest.RedisServer(t))
	o := options
	o.Partitions = 1
	s := store.New(client, o)
	must(t, s.Mark(ctx, store.Identity{Service: "kasse"}))
	const others, few = 3_000, 10
	now := time.Now()
	appendOthers(t, client, now.Add(-20*time.Hour), others)
	id := payment.ID("pi_shown")
	changeState(t, s, id)
	appendOthers(t, client, now.Add(time.Hour), others)
	var count entriesRead
	client.AddHook(&count)

	events := orderEvents(t, s, id)
	if len(events) != 1 || count.Load() > few {
		t.Errorf("%d events were found, and %d entries read of %d", len(events), count.Load(), 2*others+1)
	}

	changeState(t, s, id) // its entry comes after those of the next hour: Redis's clock has gone back
	if events = orderEvents(t, s, id); len(events) != 2 {
		t.Errorf("%d events were found, one of them far from its version; there are 2", len(events))
	}
}

// appendOthers appends events of another order, one a second.
func appendOthers(t *testing.T, client redis.UniversalClient, from time.Time, count int) {
	t.Helper()
	pipe := client.Pipeline()
	for n := range count {
		pipe.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "kasse:{p0}:events", ID: fmt.Sprintf("%d-0", from.Add(time.Duration(n)*time.Second).UnixMilli()),
			Values: []any{
				"id", "pi_x.1", "type", "order.updated", "data", `{"payment_intent":"pi_x","order_id":"o_x"}`,
			},
		})
	}
	_, err := pipe.Exec(t.Context())
	must(t, err)
}

// changeState writes a change of the payment's state, with its event.
func changeState(t *testing.T, s *store.Store, id payment.ID) {
	t.Helper()
	o, now, err := s.LoadOrder(t.Context(), payment.Ref{Order: storetest.OrderOf(id)}, id)
	must(t, err)
	o, c := storetest.Transition(o, id, now)
	history := o.Loaded[id].History
	history[len(history)-1].From = payment.InProgress
	_, err = s.SaveOrder(t.Context(), o, c)
	must(t, err)
}

func orderEvents(t *testing.T, s *store.Store, id payment.ID) []payment.FeedEvent {
	t.Helper()
	o, _, err := s.LoadOrder(t.Context(), payment.Ref{Order: storetest.OrderOf(id)}, id)
	must(t, err)
	events, err := s.LoadOrderEvents(t.Context(), o)
	must(t, err)
	return events
}

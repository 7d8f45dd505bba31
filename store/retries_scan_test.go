package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
)

// manyRetries is how many retries of other orders wait in the partition.
const manyRetries = 100_000

// backlogged is an endpoint with very many retries, and an order with two events. The first is delivered, and the
// second waits for a retry.
type backlogged struct {
	client   redis.UniversalClient
	store    *store.Store
	endpoint push.EndpointID
	order    payment.OrderID
	payment  payment.ID
	second   push.Delivery // of the second event
}

func newBacklogged(t *testing.T, others int) *backlogged {
	t.Helper()
	ctx := t.Context()
	b := &backlogged{client: connect(t, storetest.RedisServer(t)), endpoint: "shop", payment: "pi_many"}
	b.order = storetest.OrderOf(b.payment)
	o := options
	o.Partitions = 1
	b.store = store.New(b.client, o)
	must(t, b.store.Mark(ctx, store.Identity{Service: "kasse"}))
	must(t, b.store.RegisterEndpoint(ctx, b.endpoint))
	for range 2 {
		b.change(t)
	}
	work := b.claim(t)
	if len(work.Deliveries) != 2 {
		t.Fatalf("%d deliveries were claimed, want 2", len(work.Deliveries))
	}
	must(t, b.store.FinishPushes(ctx, b.endpoint, []push.Attempt{{Delivery: work.Deliveries[0], Status: 200}}))
	b.second = work.Deliveries[1]
	must(t, b.store.RetryPush(ctx, b.endpoint, push.Attempt{Delivery: b.second, Status: 500}, 10*time.Hour, false))
	pipe := b.client.Pipeline()
	for batch := range slices.Chunk(make([]redis.Z, others), 1_000) {
		for i := range batch {
			due := time.Now().Add(time.Hour).UnixMilli() + int64(i)
			batch[i] = redis.Z{Score: float64(due), Member: fmt.Sprintf("1-%d 1 %d", pipe.Len()*1_000+i, due)}
		}
		pipe.ZAdd(ctx, "kasse:{p0}:push:shop:retries", batch...)
	}
	_, err := pipe.Exec(ctx)
	must(t, err)
	must(t, b.client.ConfigResetStat(ctx).Err())
	return b
}

// change writes a change of the order, whose event has personal data.
func (b *backlogged) change(t *testing.T) {
	t.Helper()
	o, now, err := b.store.LoadOrder(t.Context(), payment.Ref{Order: b.order}, b.payment)
	must(t, err)
	o, c := storetest.Transition(o, b.payment, now)
	v, err := payment.DecodeView(c.Views[0].JSON)
	must(t, err)
	v.Attempt, v.Metadata = 1, map[string]string{"name": "Ada"}
	o.Loaded[b.payment].Record.Created, c.Events[0].Data = now.Unix(), v.JSON()
	_, err = b.store.SaveOrder(t.Context(), o, c)
	must(t, err)
}

func (b *backlogged) claim(t *testing.T) push.Work {
	t.Helper()
	work := b.store.ClaimPushes(t.Context(), push.Claim{
		Endpoint: b.endpoint, Owner: "a", Lease: time.Minute,
		Shares: []push.Share{{Partition: 0, First: 10, Retries: 10}},
	})[0]
	must(t, work.Err)
	return work
}

// forget replaces the order's events, and returns those that are not sent to the endpoint again.
func (b *backlogged) forget(t *testing.T) (sent []string) {
	t.Helper()
	o, _, err := b.store.LoadOrder(t.Context(), payment.Ref{Order: b.order}, b.payment)
	must(t, err)
	o.Forgotten = 1
	count, err := b.store.ForgetEvents(t.Context(), o)
	must(t, err)
	entries, err := b.client.XRange(t.Context(), "kasse:{p0}:events", "-", "+").Result()
	must(t, err)
	if count != 2 || len(entries) != 2 {
		t.Fatalf("%d entries were appended again and the stream has %d, want 2 and 2", count, len(entries))
	}
	for _, entry := range entries {
		if entry.Values["sent"] != nil {
			sent = append(sent, entry.Values["id"].(string))
		}
	}
	return sent
}

// wantPages fails the test if the retries were read all at once, or one by one.
func (b *backlogged) wantPages(t *testing.T) {
	t.Helper()
	did := commandCounts(t, b.client)
	if pages := did["zscan"]; pages < 100 || pages > 1_000 || did["zrange"] > 0 || did["xrange"] > 20 {
		t.Errorf("%d retries were read with %d ZSCAN, %d ZRANGE and %d XRANGE",
			manyRetries, pages, did["zrange"], did["xrange"])
	}
}

// TestManyRetriesAreReadInPages: no command reads all retries of an endpoint, however many wait.
func TestManyRetriesAreReadInPages(t *testing.T) {
	b := newBacklogged(t, manyRetries)
	t.Run("show", func(t *testing.T) {
		events := []payment.FeedEvent{b.second.Event}
		all, err := b.store.LoadDeliveries(t.Context(), b.endpoint, b.order, events)
		must(t, err)
		if all[0].State != store.DeliveryWaits || time.Until(all[0].Due) < 9*time.Hour {
			t.Errorf("got %+v", all[0])
		}
		b.wantPages(t)
	})
	t.Run("redrive", func(t *testing.T) {
		must(t, b.client.ConfigResetStat(t.Context()).Err())
		moved, err := b.store.Redrive(t.Context(), b.endpoint, b.second.Event.ID)
		must(t, err)
		b.wantPages(t)
		if work := b.claim(t); moved.Waiting != 1 || len(work.Deliveries) != 1 || !work.Deliveries[0].Retry ||
			work.Deliveries[0].Event.ID != b.second.Event.ID {
			t.Errorf("%d were moved, and %+v claimed", moved.Waiting, work.Deliveries)
		}
	})
	t.Run("forget", func(t *testing.T) {
		must(t, b.client.ConfigResetStat(t.Context()).Err())
		if sent := b.forget(t); len(sent) != 1 || sent[0] == b.second.Event.ID {
			t.Errorf("%v are not sent to the endpoint again, which has not received %s", sent, b.second.Event.ID)
		}
		b.wantPages(t)
		if left := b.client.ZCard(t.Context(), "kasse:{p0}:push:shop:retries").Val(); left != manyRetries {
			t.Errorf("%d retries are left, want those of other orders", left)
		}
	})
}

// afterScan is a hook that calls then once, after retries were read.
type afterScan struct {
	called atomic.Bool
	then   func()
}

func (a *afterScan) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a *afterScan) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *afterScan) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "zscan" && a.called.CompareAndSwap(false, true) {
			a.then()
		}
		return err
	}
}

// failAgain tries the second event again, and the try fails.
func (b *backlogged) failAgain(t *testing.T) {
	t.Helper()
	_, err := b.store.Redrive(t.Context(), b.endpoint, b.second.Event.ID)
	must(t, err)
	for _, d := range b.claim(t).Deliveries {
		failed := push.Attempt{Delivery: d, Status: 500}
		must(t, b.store.RetryPush(t.Context(), b.endpoint, failed, time.Hour, false))
	}
}

// failOthers logs failed tries of another event.
func (b *backlogged) failOthers(t *testing.T, count int) {
	t.Helper()
	const log = "kasse:{p0}:push:shop:log"
	for range count {
		must(t, b.client.LPush(t.Context(), log, "1 500 1 1 pi_x.1 order.paid failed").Err())
	}
	must(t, b.client.LTrim(t.Context(), log, 0, 49).Err())
}

// TestForgetSendsUncertainDeliveriesAgain: an event whose retry changes while the retries are read does not count as
// delivered.
func TestForgetSendsUncertainDeliveriesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		again  bool // the second event fails again
		others int  // failures of another event
		replay bool // of the delivered event
		sent   int  // of the two events
	}{
		"nothing happens":                  {sent: 1},
		"others fail":                      {others: 30, sent: 1},
		"it fails again":                   {again: true, sent: 1},
		"so many fail that the log is cut": {again: true, others: 50},
		"the delivered one is replayed":    {replay: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBacklogged(t, 0)
			b.client.AddHook(&afterScan{then: func() {
				if c.again {
					b.failAgain(t)
				}
				b.failOthers(t, c.others)
				if c.replay {
					_, _, _, err := b.store.Replay(t.Context(), []push.EndpointID{b.endpoint}, "", "")
					must(t, err)
				}
			}})
			sent := b.forget(t)
			if len(sent) != c.sent || slices.Contains(sent, b.second.Event.ID) {
				t.Errorf("%v are not sent to the endpoint again; want %d events, without %s",
					sent, c.sent, b.second.Event.ID)
			}
		})
	}
}

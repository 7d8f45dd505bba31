package store_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// TestFilteredPageIsBounded: a request without a match examines a bounded number of entries, and the next one continues
// after them.
func TestFilteredPageIsBounded(t *testing.T) {
	ctx, client := t.Context(), connect(t, storetest.RedisServer(t))
	o := options
	o.Partitions = 1
	s := store.New(client, o)
	if err := s.Mark(ctx, store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	const entries, most = 17_500, 16_000
	for range entries / 2_500 {
		pipe := client.Pipeline()
		for range 2_500 {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: "kasse:{p0}:events", Values: []any{
				"id", "pi_x.1", "type", "order.updated", "data", `{"payment_intent":"pi_x","order_id":"o_x"}`,
			}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := write(ctx, s, "pi_1"); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]payment.FeedQuery{
		"type": {Types: []string{"order.paid"}, Limit: 10}, "order": {Order: "o_none", Limit: 10},
	} {
		first, err := s.LoadEvents(ctx, q)
		if err != nil || len(first.Events) != 0 || !first.More {
			t.Fatalf(
				"%s: %d events, more %t, %v: want an empty page with more behind it", name, len(first.Events),
				first.More, err,
			)
		}
		rest, err := s.LoadEvents(ctx, payment.FeedQuery{After: first.Next, Limit: 500})
		if err != nil || len(rest.Events) != 500 {
			t.Fatalf("%s: %d events behind the first page, %v", name, len(rest.Events), err)
		}
		q.After = first.Next
		second, err := s.LoadEvents(ctx, q)
		if err != nil || len(second.Events) != 0 || second.More {
			t.Errorf("%s: %d events, more %t, %v: want the end", name, len(second.Events), second.More, err)
		}
		behind, err := s.LoadEvents(ctx, payment.FeedQuery{After: second.Next, Limit: 10})
		if err != nil || len(behind.Events) != 0 {
			t.Errorf("%s: %d events behind the end, %v", name, len(behind.Events), err)
		}
	}
	passed, err := s.LoadEvents(ctx, payment.FeedQuery{Types: []string{"order.paid"}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.LoadEvents(ctx, payment.FeedQuery{After: passed.Next, Order: "o_1", Limit: 10})
	if err != nil || len(found.Events) != 1 {
		t.Errorf("%d events of the order behind the first %d, %v", len(found.Events), most, err)
	}
}

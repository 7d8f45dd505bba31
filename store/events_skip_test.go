package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// feedOf reads all pages of the feed of one order, and returns its events' ids and the number of requests.
func feedOf(t *testing.T, s *store.Store, order payment.OrderID) (ids []string, requests int) {
	t.Helper()
	q := payment.FeedQuery{Order: order, Limit: 100}
	for requests = 1; requests <= 100; requests++ {
		page, err := s.LoadEvents(t.Context(), q)
		must(t, err)
		for _, e := range page.Events {
			ids = append(ids, e.ID)
		}
		if q.After = page.Next; len(page.Events) == 0 && !page.More {
			return ids, requests
		}
	}
	t.Fatal("the feed does not end")
	return nil, 0
}

// TestFeedOfOneOrderSkipsOthers: the feed of one order examines few entries of others, however many the stream has. It
// examines all entries if an event of the order may be anywhere.
func TestFeedOfOneOrderSkipsOthers(t *testing.T) {
	const others = 50_000 // before and after, one a second
	for name, c := range map[string]struct {
		change func(*payment.Order)
		far    bool // an event of the order comes long after its last change
		most   int  // pages of 100 entries
	}{
		"an order":                {func(*payment.Order) {}, false, 150},
		"with foreign payments":   {func(o *payment.Order) { o.ForeignCount = 1 }, true, 3_000},
		"that was forgotten":      {func(o *payment.Order) { o.Forgotten = 1 }, true, 3_000},
		"with a forgotten number": {func(o *payment.Order) { o.Attempts[0].Unknown = true }, true, 3_000},
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, storetest.RedisServer(t))
			o := options
			o.Partitions = 1
			s := store.New(client, o)
			must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
			id, ended := payment.ID("pi_fed"), time.Now()
			began := ended.Add(-others * time.Second)
			appendOthers(t, client, began.Add(-others*time.Second), others)
			want := []string{
				appendChange(t, s, client, id, began, c.change), appendChange(t, s, client, id, began, c.change),
			}
			appendOthers(t, client, began.Add(time.Second), others)
			if c.far {
				want = append(want, "pi_fed.far")
				const data = `{"payment_intent":"pi_fed","order_id":"o_fed"}`
				appendEvent(t, client, ended.Add(time.Second), "pi_fed.far", data)
			}
			must(t, client.ConfigResetStat(t.Context()).Err())
			ids, requests := feedOf(t, s, storetest.OrderOf(id))
			if !slices.Equal(ids, want) {
				t.Errorf("the feed has %v, want %v", ids, want)
			}
			pages := commandCounts(t, client)["xrange"]
			if pages > c.most || (c.far && pages < 2*others/100) {
				t.Errorf("%d requests examined %d pages of 100 entries, want at most %d", requests, pages, c.most)
			}
			want = append(want, appendChange(t, s, client, id, ended.Add(time.Minute), c.change))
			if ids, _ = feedOf(t, s, storetest.OrderOf(id)); !slices.Equal(ids, want) {
				t.Errorf("after another change the feed has %v, want %v", ids, want)
			}
		})
	}
}

// appendChange writes a change of a payment with its event, both as of the time then, and returns the event's id.
func appendChange(
	t *testing.T, s *store.Store, client redis.UniversalClient, id payment.ID, then time.Time,
	change func(*payment.Order),
) string {
	t.Helper()
	o, _, err := s.LoadOrder(t.Context(), payment.Ref{Order: storetest.OrderOf(id)}, id)
	must(t, err)
	o, c := storetest.Transition(o, id, then)
	if record := &o.Loaded[id].Record; record.Created == 0 {
		record.Created = then.Unix()
	}
	change(&o)
	event := c.Events[0]
	c.Events = nil // appendEvent adds it, with the time then
	_, err = s.SaveOrder(t.Context(), o, c)
	must(t, err)
	appendEvent(t, client, then, event.ID, string(event.Data))
	return event.ID
}

func appendEvent(t *testing.T, client redis.UniversalClient, then time.Time, id, data string) {
	t.Helper()
	must(t, client.XAdd(t.Context(), &redis.XAddArgs{
		Stream: "kasse:{p0}:events", ID: fmt.Sprintf("%d-*", then.UnixMilli()),
		Values: []any{"id", id, "type", "order.updated", "data", data},
	}).Err())
}

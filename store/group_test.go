package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// consumer is a consumer of a group, and reads the streams as docs/events.md describes.
type consumer struct {
	t      *testing.T
	client redis.UniversalClient
	name   string
	got    []string // event ids, in the order of their handling
}

const group = "shop"

func streams() (names []string) {
	for n := range options.Partitions {
		names = append(names, fmt.Sprintf("kasse:{p%d}:events", n))
	}
	return names
}

// join creates the group, unless another consumer has.
func (c *consumer) join() {
	c.t.Helper()
	for _, stream := range streams() {
		err := c.client.XGroupCreateMkStream(c.t.Context(), stream, group, "0").Err()
		if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
			c.t.Fatal(err)
		}
	}
}

// read reads up to count new events of each partition. If it handles them, it acknowledges them.
func (c *consumer) read(count int64, handles bool) (events int) {
	c.t.Helper()
	names := streams()
	ids := slices.Repeat([]string{">"}, len(names))
	replies, err := c.client.XReadGroup(c.t.Context(), &redis.XReadGroupArgs{
		Group: group, Consumer: c.name, Streams: append(names, ids...), Count: count, Block: -1,
	}).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // as go-redis documents it
		c.t.Fatal(err)
	}
	for _, reply := range replies {
		events += len(reply.Messages)
		if handles {
			c.handle(reply.Stream, reply.Messages)
		}
	}
	return events
}

// takeOver claims and handles the unacknowledged events of other consumers.
func (c *consumer) takeOver(idle time.Duration) {
	c.t.Helper()
	for _, stream := range streams() {
		for start := "0-0"; ; {
			messages, next, err := c.client.XAutoClaim(c.t.Context(), &redis.XAutoClaimArgs{
				Stream: stream, Group: group, Consumer: c.name, MinIdle: idle, Start: start, Count: 10,
			}).Result()
			if err != nil {
				c.t.Fatal(err)
			}
			c.handle(stream, messages)
			if start = next; next == "0-0" {
				break
			}
		}
	}
}

func (c *consumer) handle(stream string, messages []redis.XMessage) {
	c.t.Helper()
	for _, m := range messages {
		if m.Values["type"] == nil || m.Values["data"] == nil {
			c.t.Errorf("%s has %v", m.ID, m.Values)
		}
		c.got = append(c.got, m.Values["id"].(string))
		if err := c.client.XAck(c.t.Context(), stream, group, m.ID).Err(); err != nil {
			c.t.Fatal(err)
		}
	}
}

// TestConsumerGroupReadsTheStreams: a consumer group can read the streams instead of the feed, as documented. Two
// consumers share the work, one dies with unacknowledged events, and the other takes them over. Every event is
// handled once.
func TestConsumerGroupReadsTheStreams(t *testing.T) {
	client := connect(t, storetest.RedisServer(t))
	s := store.New(client, options)
	must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
	var want []string
	for i := range 300 {
		want = append(want, putEvent(t, s, payment.ID(fmt.Sprintf("pi_%d", i%60))))
	}
	first, second := &consumer{t: t, client: client, name: "first"}, &consumer{t: t, client: client, name: "second"}
	first.join()
	second.join()
	first.read(5, true)
	if first.read(3, false) == 0 {
		t.Fatal("the first read no events before it died")
	}
	for second.read(7, true) > 0 {
	}
	if len(first.got)+len(second.got) >= len(want) {
		t.Fatal("the first died without unacknowledged events")
	}
	second.takeOver(0)
	got := slices.Concat(first.got, second.got)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d events, %d of them different; want %d", len(got), len(slices.Compact(got)), len(want))
	}
	ordered(t, first.got)
}

// ordered fails the test if an event of a payment comes after a newer one.
func ordered(t *testing.T, ids []string) {
	t.Helper()
	newest := map[string]string{}
	for _, id := range ids {
		payment, version, _ := strings.Cut(id, ".")
		if version <= newest[payment] {
			t.Errorf("%s comes after %s", id, newest[payment])
		}
		newest[payment] = version
	}
}

// putEvent writes a transition of the payment, and returns the event's id.
func putEvent(t testing.TB, s *store.Store, id payment.ID) string {
	t.Helper()
	_, c := mustWrite(t, s, id)
	return c.Events[0].ID
}

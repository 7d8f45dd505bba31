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

// backend reads the streams in the way that docs/events.md documents.
type backend struct {
	t      *testing.T
	client redis.UniversalClient
	name   string
	got    []string // event ids, as they came
}

const group = "shop"

func streams() (names []string) {
	for n := range options.Partitions {
		names = append(names, fmt.Sprintf("kasse:{p%d}:events", n))
	}
	return names
}

// join makes the group, once for all consumers.
func (b *backend) join() {
	b.t.Helper()
	for _, stream := range streams() {
		err := b.client.XGroupCreateMkStream(b.t.Context(), stream, group, "0").Err()
		if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
			b.t.Fatal(err)
		}
	}
}

// read reads a number of new events of all partitions, and acknowledges those that it handled.
func (b *backend) read(count int64, handles bool) (took int) {
	b.t.Helper()
	names := streams()
	ids := slices.Repeat([]string{">"}, len(names))
	replies, err := b.client.XReadGroup(b.t.Context(), &redis.XReadGroupArgs{
		Group: group, Consumer: b.name, Streams: append(names, ids...), Count: count, Block: -1,
	}).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // as go-redis documents it
		b.t.Fatal(err)
	}
	for _, reply := range replies {
		took += len(reply.Messages)
		if handles {
			b.handle(reply.Stream, reply.Messages)
		}
	}
	return took
}

// takeOver claims another consumer's unacknowledged events.
func (b *backend) takeOver(idle time.Duration) {
	b.t.Helper()
	for _, stream := range streams() {
		for start := "0-0"; ; {
			messages, next, err := b.client.XAutoClaim(b.t.Context(), &redis.XAutoClaimArgs{
				Stream: stream, Group: group, Consumer: b.name, MinIdle: idle, Start: start, Count: 10,
			}).Result()
			if err != nil {
				b.t.Fatal(err)
			}
			b.handle(stream, messages)
			if start = next; next == "0-0" {
				break
			}
		}
	}
}

func (b *backend) handle(stream string, messages []redis.XMessage) {
	b.t.Helper()
	for _, m := range messages {
		if m.Values["type"] == nil || m.Values["data"] == nil {
			b.t.Errorf("%s has %v", m.ID, m.Values)
		}
		b.got = append(b.got, m.Values["id"].(string))
		if err := b.client.XAck(b.t.Context(), stream, group, m.ID).Err(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestConsumerGroupReadsTheStreams is the documented way round the feed: two consumers share the
// work, one dies with events in its hands, and the other takes them over. Every event is handled
// once.
func TestConsumerGroupReadsTheStreams(t *testing.T) {
	client := connect(t, storetest.RedisServer(t))
	s := store.New(client, options)
	must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
	var want []string
	for i := range 300 {
		want = append(want, putEvent(t, s, payment.ID(fmt.Sprintf("pi_%d", i%60))))
	}
	first, second := &backend{t: t, client: client, name: "first"}, &backend{t: t, client: client, name: "second"}
	first.join()
	second.join()
	first.read(5, true)
	if first.read(3, false) == 0 {
		t.Fatal("nothing was taken along")
	}
	for second.read(7, true) > 0 {
	}
	if len(first.got)+len(second.got) >= len(want) {
		t.Fatal("the first died with nothing in its hands")
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

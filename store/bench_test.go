package store_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// BenchmarkStore compares the store's calls with the bare command that moves the same bytes, on one
// server in one run. The difference is the price of the script and of the encoding.
func BenchmarkStore(b *testing.B) {
	client := connect(b, storetest.RedisServer(b))
	s := store.New(client, options)
	ctx := b.Context()
	must(b, s.Mark(ctx, store.Identity{Service: "kasse"}))
	id, order := payment.ID("pi_read"), payment.OrderID("o_read")
	must(b, s.SavePointer(ctx, id, order, time.Now().Add(options.Retention)))
	var view []byte
	for range 3 { // three lines of history, as a paid payment has
		o, c := paid(b, s, order, id)
		_, err := s.SaveOrder(ctx, o, c)
		must(b, err)
		view = c.Views[0].JSON
	}
	keys, err := client.Keys(ctx, "kasse:*:order:o_read").Result()
	if err != nil || len(keys) != 1 {
		b.Fatalf("got the keys %v, %v; want one", keys, err)
	}
	must(b, client.Set(ctx, "bare", view, 0).Err())
	run := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			must(b, client.ConfigResetStat(ctx).Err())
			b.ReportAllocs()
			for b.Loop() {
				must(b, do())
			}
			b.ReportMetric(busy(ctx, b, client)/float64(b.N), "redis-µs/op")
		})
	}
	run("GET", func() error { return client.Get(ctx, "bare").Err() })
	run("LoadView", func() error { _, err := s.LoadView(ctx, id); return err })
	run("HGETALL", func() error { return client.HGetAll(ctx, keys[0]).Err() })
	ref := payment.Ref{Order: order}
	run("LoadOrder", func() error { _, _, err := s.LoadOrder(ctx, ref, id); return err })
	run("FindOrder", func() error { _, _, err := s.FindOrder(ctx, id); return err })
	run("SET", func() error { return client.Set(ctx, "bare", view, 0).Err() })
	until, saved := time.Now().Add(options.Retention), 0
	run("SavePointer", func() error {
		saved++
		return s.SavePointer(ctx, payment.ID("pi_"+strconv.Itoa(saved)), order, until)
	})
	first, changes := paid(b, s, "o_write", "pi_write")
	unseen := changes
	unseen.Views, unseen.Events = nil, nil
	for name, c := range map[string]payment.Changes{"SaveOrder unseen": unseen, "SaveOrder visible": changes} {
		run(name, func() error {
			o := first
			saved++
			o.ID = payment.OrderID("o_" + strconv.Itoa(saved))
			_, err := s.SaveOrder(ctx, o, c)
			return err
		})
	}
	run("LoadEvents of 100", func() error { _, err := s.LoadEvents(ctx, payment.FeedQuery{Limit: 100}); return err })
	run("ClaimReads of none", func() error { _, err := s.ClaimReads(ctx, 50, 0); return err })
}

// busy returns how long Redis itself worked on the commands, in microseconds. A script's time includes
// that of its commands.
func busy(ctx context.Context, b *testing.B, client redis.UniversalClient) (micros float64) {
	b.Helper()
	stats, err := client.InfoMap(ctx, "commandstats").Result()
	must(b, err)
	scripted := false
	times := map[string]float64{}
	for name, text := range stats["Commandstats"] {
		_, text, _ = strings.Cut(text, "usec=")
		text, _, _ = strings.Cut(text, ",")
		times[name], err = strconv.ParseFloat(text, 64)
		must(b, err)
		scripted = scripted || strings.HasPrefix(name, "cmdstat_eval")
	}
	for name, time := range times {
		if !scripted || strings.HasPrefix(name, "cmdstat_eval") {
			micros += time
		}
	}
	return micros
}

// paid returns the next write of an order with one paid payment, as large as real ones are.
func paid(
	b *testing.B, s *store.Store, order payment.OrderID, id payment.ID,
) (payment.Order, payment.Changes) {
	b.Helper()
	o, now, err := s.LoadOrder(b.Context(), payment.Ref{Order: order}, id)
	if err != nil {
		b.Fatal(err)
	}
	o, c := storetest.Transition(o, id, now)
	seen := payment.Observation{
		At: 1_760_000_000, Event: "evt_1QGxyz2eZvKYlo2C0abcdefg", APIVersion: "2024-06-20",
		Snapshot: payment.Snapshot{
			Status: payment.Succeeded, Amount: 1_999, AmountReceived: 1_999, Currency: "eur",
			Customer:      "cus_QyZabcdefghijk",
			CaptureMethod: payment.CaptureAutomaticAsync, Charge: payment.Charge{ID: "ch_3QGxyz2eZvKYlo2C0abcdefg"},
			Metadata: map[string]string{
				"kasse_service": "kasse", "kasse_order_id": string(order), "kasse_attempt": "1",
				"kasse_rev": "1760000000123",
			},
		},
	}
	o.Terms = payment.Terms{Amount: 1_999, Currency: "eur", Customer: "cus_QyZabcdefghijk"}
	o.Rev, o.Winner, o.FulfillableAt = 1_760_000_000_123, id, seen.At
	o.LastWord = payment.Word{Payment: id, State: payment.Paid, Fulfillable: true}
	a, p := o.Attempt(id), o.Loaded[id]
	a.Terms, a.State, a.UpdatedAt, a.Ours = o.Terms, payment.Paid, seen.At, true
	p.SecretHash = strings.Repeat("ab", 32)
	p.Record = payment.Record{
		Created: seen.At, Creation: &seen, Terminal: []payment.Observation{seen}, Received: seen.AmountReceived,
	}
	c.Views[0].JSON = o.Render(id)
	c.Events[0].Data, c.Expires = c.Views[0].JSON, options.Retention
	return o, c
}

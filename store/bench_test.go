package store_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service"
	"kasse/store"
	"kasse/store/storetest"
)

// BenchmarkStore sets what the store does beside the bare command that moves the same bytes, on one server in one run:
// the difference is the price of the script and of the encoding.
func BenchmarkStore(b *testing.B) {
	client := connect(b, storetest.RedisServer(b))
	s := store.New(client, options)
	ctx := b.Context()
	must(b, s.Mark(ctx, store.Identity{Service: "kasse"}))
	var written service.Payment
	for range 3 { // a payment as it is when it is paid: three lines of history
		w := paid(b, s, "pi_read")
		must(b, s.SavePayment(ctx, w))
		written = w.Payment
	}
	keys, err := client.Keys(ctx, "kasse:*:payment:pi_read").Result()
	if err != nil || len(keys) != 1 {
		b.Fatal(keys, err)
	}
	must(b, client.Set(ctx, "bare", written.View, 0).Err())
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
	run("LoadView", func() error { _, err := s.LoadView(ctx, "pi_read"); return err })
	run("HGETALL", func() error { return client.HGetAll(ctx, keys[0]).Err() })
	run("LoadPayment", func() error { _, _, err := s.LoadPayment(ctx, "pi_read"); return err })
	run("SET", func() error { return client.Set(ctx, "bare", written.View, 0).Err() })
	fresh, saved := paid(b, s, "pi_write"), 0
	for _, shows := range []bool{false, true} {
		name := "SavePayment unseen"
		if shows {
			name = "SavePayment visible"
		}
		run(name, func() error {
			w := fresh
			saved++
			w.ID = service.PaymentID(fmt.Sprintf("pi_%d", saved))
			if !shows {
				w.History, w.Event = nil, nil
			}
			return s.SavePayment(ctx, w)
		})
	}
	run("LoadEvents of 100", func() error { _, err := s.LoadEvents(ctx, "", 100); return err })
	run("TakeReads of none", func() error { _, err := s.TakeReads(ctx, 50, 0); return err })
}

// busy is how long Redis itself worked on what it was asked, in microseconds; what a script calls is in the script's time.
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

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// paid is the next write of a payment, as large as real ones are.
func paid(b *testing.B, s *store.Store, id service.PaymentID) service.PaymentWrite {
	b.Helper()
	p, now, err := s.LoadPayment(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	seen := service.Sighting{
		At: 1_760_000_000, Event: "evt_1QGxyz2eZvKYlo2C0abcdefg", APIVersion: "2024-06-20",
		Snapshot: service.Snapshot{
			Status: service.Succeeded, Amount: 1_999, AmountReceived: 1_999, Currency: "eur", Customer: "cus_QyZabcdefghijk",
			CaptureMethod: service.CaptureAutomaticAsync, Charge: service.Charge{ID: "ch_3QGxyz2eZvKYlo2C0abcdefg"},
			Metadata: map[string]string{"kasse_service": "kasse", "kasse_order_id": "o-1", "kasse_attempt": "1", "kasse_rev": "1760000000123"},
		},
	}
	p.Record = service.Record{Created: seen.At, Opening: &seen, Terminal: []service.Sighting{seen}, Received: 1_999}
	p.Standing = service.Standing{Order: "o-1", Attempt: 1, Result: service.Won, Terms: &service.Terms{Amount: 1_999, Currency: "eur"}}
	p.View = fmt.Appendf(nil, `{"payment_intent":%q,"order_id":"o-1","attempt":1,"superseded":false,"status":"succeeded","state":"paid","next":"none","final":true,"fulfillable":true,"fulfillable_at":"2025-10-09T08:53:20Z","hold_reason":null,"amount":1999,"amount_received":1999,"amount_capturable":0,"amount_refunded":0,"currency":"eur","failure":null,"capture_before":null,"livemode":false,"version":1760000000123,"created_at":"2025-10-09T08:53:20Z","updated_at":"2025-10-09T08:53:20Z","poll_after_ms":null,"customer":"cus_QyZabcdefghijk","metadata":{},"dispute":null}`, id)
	return service.PaymentWrite{
		Payment: p, Version: now.UnixMilli() + p.Revision, Now: now, Final: true,
		History: []byte(`{"version":1760000000123,"from":"pending","to":"paid","at":"2025-10-09T08:53:20Z","cause":"payment_intent.succeeded evt_1QGxyz2eZvKYlo2C0abcdefg"}`),
		Event:   &service.Announced{ID: string(id) + ".1760000000123", Type: "order.paid"},
	}
}

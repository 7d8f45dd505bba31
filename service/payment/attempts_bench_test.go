package payment

import (
	"fmt"
	"testing"
	"time"
)

// triedOrder returns an order with so many attempts, as it is stored. All but the last were cancelled.
func triedOrder(attempts int) Order {
	o := Order{ID: "ORD-2026-000123", Revision: "1", Terms: price, Rules: testRules, Loaded: map[ID]*Payment{}}
	o.Terms.Customer = "cus_QwErTyUiOpAsDf"
	for n := 1; n <= attempts; n++ {
		at := noon.Add(time.Duration(n) * time.Minute)
		id := ID(fmt.Sprintf("pi_3PabcDEF%05dghiJKL%05d", n*7919%99991, n*104729%99991))
		o.Attempts = append(o.Attempts, Attempt{
			Number: n, Payment: id, Terms: o.Terms, Ours: true, Reserved: at.UnixMilli(), Tried: at.UnixMilli() + 3,
			State: CanceledState, Superseded: n < attempts, Version: at.UnixMilli() + 250, UpdatedAt: at.Unix(),
			PointerUntil: at.Unix() + 13_200*3600, WithdrawnAt: at.UnixMilli() + 30_000,
		})
		o.Version = at.UnixMilli() + 250
	}
	last := &o.Attempts[attempts-1]
	last.State, last.WithdrawnAt = Pending, 0
	o.Loaded[last.Payment] = &Payment{
		ID: last.Payment, SecretHash: fmt.Sprintf("%064x", 7), Record: merged(opening(noon.Unix(), pending())),
	}
	return o
}

// BenchmarkManyAttempts measures the work of a webhook apart from Redis: decoding, changing and encoding an order.
func BenchmarkManyAttempts(b *testing.B) {
	for _, attempts := range []int{1, 10, 200} {
		b.Run(fmt.Sprint(attempts), func(b *testing.B) {
			o := triedOrder(attempts)
			blocks, _ := o.NextBlocks()
			stored, id, size := o.AppendOrder(nil), o.Current(), 0
			for _, block := range blocks {
				size += len(block.Stored)
			}
			b.ReportMetric(float64(len(stored)), "order-B")
			b.ReportMetric(float64(size), "blocks-B")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				read := Order{ID: o.ID, Rules: testRules, Revision: "1", Blocks: make([]Block, 0, len(blocks))}
				for _, block := range blocks {
					read.Blocks = append(read.Blocks, Block{Stored: block.Stored})
				}
				if err := read.DecodeOrder(stored); err != nil {
					b.Fatal(err)
				}
				fact := seenAs(id, attempts, event(fmt.Sprintf("evt_%d", i), noon.Unix()+5, action("ch_1")))
				next, changes := read.Apply(fact, noon.Add(1000*time.Hour))
				if len(changes.Views) != 1 {
					b.Fatalf("the changes are %+v", changes)
				}
				if _, changed := next.NextBlocks(); len(changed) > 0 {
					b.Fatalf("blocks %v have changed", changed)
				}
				next.AppendOrder(nil)
			}
		})
	}
}

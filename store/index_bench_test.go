package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
)

// BenchmarkIndexMemory measures the index's memory per order, in bytes of Redis's used_memory: the difference
// between 30,000 orders with and without the index. Ids of orders have 20 characters, and each customer has
// three orders.
func BenchmarkIndexMemory(b *testing.B) {
	const orders = 30_000
	for b.Loop() {
		without := indexMemory(b, orders, func(int) (payment.Listing, bool) { return payment.Listing{}, false })
		guests := indexMemory(
			b, orders, func(i int) (payment.Listing, bool) { return payment.Listing{Created: listedAt(i)}, true },
		)
		customers := indexMemory(b, orders, func(i int) (payment.Listing, bool) {
			return payment.Listing{
				Created:  listedAt(i),
				Customer: payment.CustomerHash(payment.CustomerID(fmt.Sprintf("cus_%014d", i/3*7919))),
			}, true
		})
		b.ReportMetric(float64(guests-without)/orders, "B/guest's-order")
		b.ReportMetric(float64(customers-without)/orders, "B/customer's-order")
		b.ReportMetric(float64(without)/orders, "B/order-without")
	}
}

func listedAt(i int) int64 { return 1_764_288_000_000 + int64(i)*997 }

// indexMemory saves orders and returns their memory in Redis, in bytes.
func indexMemory(b *testing.B, orders int, place func(i int) (payment.Listing, bool)) int64 {
	b.Helper()
	ctx, client := b.Context(), connect(b, storetest.RedisServer(b))
	s := store.New(client, options)
	if err := s.Mark(ctx, store.Identity{Service: "kasse"}); err != nil {
		b.Fatal(err)
	}
	before := usedMemory(ctx, b, client)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := worker; i < orders; i += 8 {
				o := payment.Order{ID: payment.OrderID(fmt.Sprintf("order-2026-%09d", i))}
				o.Terms = payment.Terms{Amount: 1000, Currency: "eur"}
				c := payment.Changes{Now: time.Now()}
				if at, listed := place(i); listed {
					o.Listed, c.List = at, at
				}
				if _, err := s.SaveOrder(ctx, o, c); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return usedMemory(ctx, b, client) - before
}

func usedMemory(ctx context.Context, b *testing.B, client redis.UniversalClient) (bytes int64) {
	b.Helper()
	text, err := client.Info(ctx, "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Sscanf(line, "used_memory:%d", &bytes); err == nil {
			return bytes
		}
	}
	b.Fatal("INFO has no used_memory")
	return 0
}

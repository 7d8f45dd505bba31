package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/test/rounds"
)

// indexed is an order as the index should have it.
type indexed struct {
	id       payment.OrderID
	created  int64
	customer payment.CustomerID
	state    payment.State
}

// index saves an order with its place in the index.
func (f fixture) index(t testing.TB, x indexed) {
	t.Helper()
	id := payment.ID("pi" + strings.TrimPrefix(string(x.id), "o"))
	o, now := f.load(t, payment.Ref{Order: x.id}, id)
	before := o.Listed
	o, c := Transition(o, id, now)
	o.Listed = payment.Listing{Created: x.created, Customer: payment.CustomerHash(x.customer)}
	o.Attempt(id).State, c.Unlist, c.List = x.state, before, o.Listed
	created := *o.Loaded[id].Record.Creation
	created.Customer = x.customer
	o.Loaded[id].Record.Creation = &created
	f.save(t, o, c)
}

// list reads all pages of a query, and returns the orders' ids and the number of pages.
func (f fixture) list(t testing.TB, q payment.OrderQuery) (ids []payment.OrderID, pages int) {
	t.Helper()
	for range endless {
		page, err := f.ListOrders(t.Context(), q)
		Must(t, err)
		if len(page.Orders) > q.Limit {
			t.Errorf("a page has %d orders, want at most %d", len(page.Orders), q.Limit)
		}
		for _, o := range page.Orders {
			ids = append(ids, o.ID)
			if len(o.Views) != len(o.Payments) {
				t.Errorf("%s has %d payments and %d views", o.ID, len(o.Payments), len(o.Views))
			}
		}
		pages++
		if q.After = page.Next; q.After == "" {
			return ids, pages
		}
		wellFormed(t, q.After)
	}
	t.Fatal("the list does not end")
	return nil, 0
}

// expected returns the ids of the orders that match, newest first.
func expected(all []indexed, match func(indexed) bool) (ids []payment.OrderID) {
	all = slices.Clone(all)
	slices.SortFunc(
		all, func(a, b indexed) int { return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.id, a.id)) },
	)
	for _, x := range all {
		if match(x) {
			ids = append(ids, x.id)
		}
	}
	return ids
}

func (f fixture) lists(t testing.TB, what string, q payment.OrderQuery, want []payment.OrderID) {
	t.Helper()
	if got, _ := f.list(t, q); !slices.Equal(got, want) {
		t.Errorf("%s, %d a page: got %d orders %v, want %d %v", what, q.Limit, len(got), got, len(want), want)
	}
}

func every(indexed) bool { return true }

func (connect connector) testIndex(t *testing.T) {
	t.Run("lists the newest first, from all partitions", connect.indexLists)
	t.Run("splits its buckets", connect.indexSplits)
	t.Run("follows the order's customer", connect.indexFollows)
	t.Run("ends with the order", connect.indexEnds)
	t.Run("examines a bounded number of orders", connect.indexIsBounded)
	t.Run("refuses invalid cursors, and a Redis without our mark", connect.indexRefuses)
}

func (connect connector) indexLists(t *testing.T) {
	f := fresh(t, connect)
	const begin = 1_764_288_000_000
	states := []payment.State{payment.Paid, payment.Pending, payment.Refunded}
	var all []indexed
	for i := range 60 {
		x := indexed{OrderOf(numbered(i)), begin + int64(i/3), "", states[i%3]}
		if i%4 > 0 {
			x.customer = payment.CustomerID(fmt.Sprintf("cus_%d", i%4))
		}
		all = append(all, x)
		f.index(t, x)
	}
	for _, limit := range []int{7, 100} {
		f.lists(t, "all", payment.OrderQuery{Limit: limit}, expected(all, every))
		f.lists(t, "of a customer", payment.OrderQuery{Limit: limit, Customer: "cus_2"},
			expected(all, func(x indexed) bool { return x.customer == "cus_2" }))
		f.lists(t, "of a state", payment.OrderQuery{Limit: limit, State: payment.Paid},
			expected(all, func(x indexed) bool { return x.state == payment.Paid }))
		f.lists(t, "of a customer's state", payment.OrderQuery{Limit: limit, State: payment.Paid, Customer: "cus_1"},
			expected(all, func(x indexed) bool { return x.state == payment.Paid && x.customer == "cus_1" }))
		after := time.UnixMilli(begin + 9)
		f.lists(t, "after a time", payment.OrderQuery{Limit: limit, CreatedAfter: after},
			expected(all, func(x indexed) bool { return x.created > begin+9 }))
		both := payment.OrderQuery{Limit: limit, CreatedAfter: after, Customer: "cus_3"}
		f.lists(t, "of a customer after a time", both,
			expected(all, func(x indexed) bool { return x.created > begin+9 && x.customer == "cus_3" }))
		f.lists(t, "of an unknown customer", payment.OrderQuery{Limit: limit, Customer: "cus_none"}, nil)
	}
}

// indexSplits fills the buckets of one partition in random order, with scores that many entries share,
// and moves half of the entries afterwards.
func (connect connector) indexSplits(t *testing.T) {
	const seed = 7
	f, random := fresh(t, connect), rand.New(rand.NewPCG(seed, seed))
	neighbours := neighbours(450)
	var all []indexed
	for i, id := range neighbours {
		x := indexed{OrderOf(id), 1_764_288_000_000, "cus_often", payment.Paid}
		if i < 300 { // the later ones have the same time and the same customer
			x.created += random.Int64N(400) - 200
		}
		if i%3 > 0 && i < 300 {
			x.customer = payment.CustomerID(fmt.Sprintf("cus_%d", random.IntN(200)))
		}
		all = append(all, x)
		f.index(t, x)
	}
	often := func(x indexed) bool { return x.customer == "cus_often" }
	check := func(what string) {
		f.lists(t, what, payment.OrderQuery{Limit: 100}, expected(all, every))
		f.lists(t, what+", one customer", payment.OrderQuery{Limit: 30, Customer: "cus_often"}, expected(all, often))
		for _, x := range all[:rounds.Of(2, 10, 10)] {
			f.lists(t, what+", a customer", payment.OrderQuery{Limit: 30, Customer: x.customer},
				expected(all, func(other indexed) bool { return other.customer == x.customer }))
		}
	}
	check("full")
	f.packed(t)
	for i := range all {
		if i%2 == 0 {
			all[i].created, all[i].customer = all[i].created-10_000, "cus_moved"
			f.index(t, all[i])
		}
	}
	check("moved")
	f.lists(t, "moved", payment.OrderQuery{Limit: 100, Customer: "cus_moved"},
		expected(all, func(x indexed) bool { return x.customer == "cus_moved" }))
	f.packed(t)
}

// packed fails the test if a bucket is empty, has scores of another bucket, or has more entries than Redis packs and
// more than one score.
func (f fixture) packed(t testing.TB) {
	t.Helper()
	for _, index := range []string{"created", "customer"} {
		directory := "kasse:{p3}:index:" + index
		starts, err := f.client.ZRangeWithScores(t.Context(), directory, 0, -1).Result()
		Must(t, err)
		for i, start := range starts {
			entries, err := f.client.ZRangeWithScores(
				t.Context(), fmt.Sprintf("%s:%s", directory, start.Member), 0, -1,
			).Result()
			Must(t, err)
			if len(entries) == 0 {
				t.Errorf("the bucket of %s from %v on is empty", index, start.Member)
				continue
			}
			first, last := entries[0].Score, entries[len(entries)-1].Score
			if len(entries) > 128 && first != last {
				t.Errorf("the bucket of %s from %v on has %d entries", index, start.Member, len(entries))
			}
			if first < start.Score || (i+1 < len(starts) && last >= starts[i+1].Score) {
				t.Errorf("the bucket of %s from %v on has scores from %v to %v", index, start.Member, first, last)
			}
		}
	}
}

func (connect connector) indexFollows(t *testing.T) {
	f := fresh(t, connect)
	x := indexed{"o_1", 1_764_288_000_000, "cus_first", payment.Pending}
	f.index(t, x)
	x.customer = "cus_second"
	f.index(t, x)
	f.lists(t, "the former customer", payment.OrderQuery{Limit: 10, Customer: "cus_first"}, nil)
	f.lists(t, "the customer", payment.OrderQuery{Limit: 10, Customer: "cus_second"}, []payment.OrderID{"o_1"})
	x.customer = ""
	f.index(t, x)
	f.lists(t, "a guest's", payment.OrderQuery{Limit: 10, Customer: "cus_second"}, nil)
	f.lists(t, "all", payment.OrderQuery{Limit: 10}, []payment.OrderID{"o_1"})
	o, now := f.load(t, payment.Ref{Order: "o_1"})
	unlisted, c := leased(o, now)
	c.Unlist, unlisted.Listed = o.Listed, payment.Listing{}
	f.save(t, unlisted, c)
	f.lists(t, "unlisted", payment.OrderQuery{Limit: 10}, nil)
}

// prune runs a whole pass, as if the last one were long ago, and returns how many orders it removed.
func (f fixture) prune(t testing.TB) (gone int) {
	t.Helper()
	for n := range f.Partitions {
		Must(t, f.client.Del(t.Context(), fmt.Sprintf("kasse:{p%d}:prune", n)).Err())
	}
	for range endless {
		step, err := f.PruneIndex(t.Context())
		Must(t, err)
		if gone += step.Gone; step.Left == 0 {
			return gone
		}
	}
	t.Fatal("the pass does not end")
	return 0
}

// indexEnds: an expired order is on no page, and its entries are removed.
func (connect connector) indexEnds(t *testing.T) {
	f := fresh(t, connect)
	before := DumpAll(t.Context(), f.client)
	var orders []payment.OrderID
	for i := range 140 {
		x := indexed{OrderOf(neighbours(140)[i]), 1_764_288_000_000 + int64(i), "cus_1", payment.Paid}
		f.index(t, x)
		orders = append(orders, x.id)
	}
	gone, kept := orders[:139], orders[139:]
	for _, id := range gone {
		Must(t, f.client.Del(t.Context(), orderKey(id)).Err()) // as when it expires
	}
	f.lists(t, "all", payment.OrderQuery{Limit: 10}, kept)
	for _, want := range []int{139, 0} {
		if count := f.prune(t); count != want {
			t.Errorf("%d orders were removed, want %d", count, want)
		}
	}
	f.lists(t, "all", payment.OrderQuery{Limit: 10, Customer: "cus_1"}, kept)
	Must(t, f.client.Del(t.Context(), orderKey(kept[0])).Err())
	f.prune(t)
	for key := range DumpAll(t.Context(), f.client) {
		if _, old := before[key]; !old && strings.Contains(key, "}:index:") {
			t.Errorf("%s is left", key)
		}
	}
	// An order that expired and is stored again is listed once, also before its former entry is removed.
	f.index(t, indexed{"o_1", 1_764_288_000_000, "", payment.Paid})
	Must(t, f.client.Del(t.Context(), orderKey("o_1")).Err())
	f.index(t, indexed{"o_1", 1_764_288_000_001, "", payment.Paid})
	f.lists(t, "all", payment.OrderQuery{Limit: 10}, []payment.OrderID{"o_1"})
}

// indexIsBounded: a page for a state that few orders have examines a bounded number of entries.
func (connect connector) indexIsBounded(t *testing.T) {
	f := fresh(t, connect)
	const orders = 1_100
	pipe := f.client.Pipeline()
	for i := range orders {
		pipe.ZAdd(t.Context(), "kasse:{p3}:index:created:0", redis.Z{
			Score: 1_764_288_000_000, Member: fmt.Sprintf("o_gone_%d", i),
		})
	}
	pipe.ZAdd(t.Context(), "kasse:{p3}:index:created", redis.Z{Member: "0"})
	_, err := pipe.Exec(t.Context())
	Must(t, err)
	f.index(t, indexed{"o_1", 1, "", payment.Refunded})
	page, err := f.ListOrders(t.Context(), payment.OrderQuery{Limit: 10, State: payment.Refunded})
	Must(t, err)
	if len(page.Orders) != 0 || page.Next == "" {
		t.Errorf("%d orders and next %q: want an empty page and a cursor", len(page.Orders), page.Next)
	}
	if got, pages := f.list(t, payment.OrderQuery{Limit: 10, State: payment.Refunded}); len(got) != 1 || pages > 3 {
		t.Errorf("got %v in %d pages", got, pages)
	}
}

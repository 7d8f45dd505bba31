package payment

import (
	"testing"
	"time"
)

// TestListing: an order's place in the index follows the payment that it stands for.
func TestListing(t *testing.T) {
	now := time.Unix(1_764_288_000, 0)
	loaded := func(id ID, customer CustomerID, created int64) map[ID]*Payment {
		s := pending()
		s.Customer = customer
		record := Merge(Record{Created: created}, Creation{Observation{At: created, Snapshot: s}})
		return map[ID]*Payment{id: {ID: id, Record: record}}
	}
	const earlier = 1_764_000_000
	bob := Terms{Amount: 1, Currency: "eur", Customer: "cus_bob"}
	shown := []Attempt{{Number: 1, Payment: "pi_1", Version: 1, Terms: bob, Reserved: 1_764_200_000_000}}
	cases := map[string]struct {
		order Order
		want  Listing
	}{
		"terms only": {Order{Terms: bob}, Listing{now.UnixMilli(), CustomerHash("cus_bob")}},
		"of a guest": {Order{Terms: Terms{Amount: 1, Currency: "eur"}}, Listing{now.UnixMilli(), 0}},
		"listed before": {
			Order{Terms: bob, Listed: Listing{1_764_100_000_000, 5}},
			Listing{1_764_100_000_000, CustomerHash("cus_bob")},
		},
		"reserved while there was no index": {
			Order{Terms: bob, Attempts: []Attempt{{Number: 1, Reserved: 1_764_200_000_000}}},
			Listing{1_764_200_000_000, CustomerHash("cus_bob")},
		},
		"the payment's customer": {
			Order{Terms: bob, Attempts: shown, Loaded: loaded("pi_1", "cus_ann", 1_764_200_001)},
			Listing{1_764_200_000_000, CustomerHash("cus_ann")},
		},
		"restored": {
			Order{Attempts: []Attempt{{Number: 1, Payment: "pi_1"}}, Loaded: loaded("pi_1", "cus_ann", earlier)},
			Listing{earlier * 1000, CustomerHash("cus_ann")},
		},
		"an older attempt is restored": {
			Order{Attempts: shown, Listed: Listing{now.UnixMilli(), 5}, Loaded: loaded("pi_1", "cus_ann", earlier)},
			Listing{earlier * 1000, CustomerHash("cus_ann")},
		},
		"the payment is not loaded": {Order{Attempts: shown, Listed: Listing{9, 5}}, Listing{9, 5}},
		"unlisted": {
			Order{Terms: bob, Listed: Listing{9, unlistedCustomer}}, Listing{9, unlistedCustomer},
		},
		"foreign": {Order{Foreign: "pi_1", Terms: bob}, Listing{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.order.Rules.Index = true
			var changes Changes
			c.order.list(&changes, now)
			if c.order.Listed != c.want || changes.List != c.want {
				t.Errorf("got %v and %v, want %v", c.order.Listed, changes.List, c.want)
			}
		})
	}
}

// TestListingIsMoved: a change contains the old and the new index entry.
func TestListingIsMoved(t *testing.T) {
	now := time.Unix(1_764_288_000, 0)
	o := Order{ID: "o_1", Terms: Terms{Amount: 1, Currency: "eur", Customer: "cus_bob"}, Rules: Rules{Index: true}}
	o, c := o.Apply(All{}, now)
	bob := Listing{now.UnixMilli(), CustomerHash("cus_bob")}
	if c.Unlist != (Listing{}) || c.List != bob || o.Listed != bob {
		t.Errorf("first: from %v to %v", c.Unlist, c.List)
	}
	o, c = o.Apply(CustomerUnlisted{}, now)
	if c.Unlist != bob || c.List.Customer > 0 || c.List.Created != bob.Created {
		t.Errorf("unlisted: from %v to %v", c.Unlist, c.List)
	}
	o.Rules.Index = false
	if _, c = o.Apply(All{}, now); c.List != (Listing{}) {
		t.Errorf("without an index: %v", c.List)
	}
}

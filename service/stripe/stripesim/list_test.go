package stripesim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestListsArePaged(t *testing.T) {
	b := start(t, stripesim.Options{})
	var made []string
	for range 7 {
		made = append(made, b.open().ID)
	}
	slices.Reverse(made)
	p := &stripe.PaymentIntentListParams{}
	p.Limit = stripe.Int64(3)
	var got []string
	for all := b.api.PaymentIntents.List(p); all.Next(); {
		got = append(got, all.PaymentIntent().ID)
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	back := &stripe.PaymentIntentListParams{}
	back.EndingBefore, back.Limit, back.Single = new(made[4]), stripe.Int64(2), true
	got = nil
	for all := b.api.PaymentIntents.List(back); all.Next(); {
		got = append(got, all.PaymentIntent().ID)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(made[2:4]))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("before the fifth (-want +got):\n%s", diff)
	}
}

func TestListsAreFiltered(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	old := b.open(func(p *stripe.PaymentIntentParams) { p.Customer = new(cu.ID) })
	b.Advance(time.Hour)
	young := b.open()
	first := func(p *stripe.PaymentIntentListParams) string {
		all := b.api.PaymentIntents.List(p)
		all.Next()
		expect(t, "found", len(all.PaymentIntentList().Data), 1)
		return all.PaymentIntent().ID
	}
	expect(t, "by customer", first(&stripe.PaymentIntentListParams{Customer: new(cu.ID)}), old.ID)
	expect(t, "by time", first(&stripe.PaymentIntentListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThan: old.Created}}), young.ID)

	events := b.api.Events.List(&stripe.EventListParams{Types: stripe.StringSlice([]string{"customer.created", "charge.*"})})
	for events.Next() {
	}
	expect(t, "events", len(events.EventList().Data), 1)
	expect(t, "read again", string(must(b.api.Events.Get(events.EventList().Data[0].ID, nil))(t).Type), "customer.created")
}

func TestSearch(t *testing.T) {
	b := start(t, stripesim.Options{})
	for i := range 3 {
		b.open(func(p *stripe.PaymentIntentParams) {
			p.AddMetadata("kasse_service", "kasse")
			p.AddMetadata("kasse_order_id", fmt.Sprintf("it's %d", i))
		})
	}
	for query, want := range map[string]int{
		`metadata['kasse_service']:'kasse'`:                                          3,
		`metadata["kasse_service"]:"kasse" AND metadata["kasse_order_id"]:"it's 1"`:  1,
		`metadata['kasse_service']:'kasse' AND metadata['kasse_order_id']:'it\'s 2'`: 1,
		`metadata['kasse_service']:'kasse' AND status:'succeeded'`:                   0,
		`-metadata['kasse_order_id']:'it\'s 2' AND amount>=2000 AND currency:'eur'`:  2,
		`status:'requires_payment_method' AND amount<2000`:                           0,
	} {
		found := b.api.PaymentIntents.Search(&stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Query: query, Limit: stripe.Int64(2)}})
		n := 0
		for found.Next() {
			n++
		}
		if err := found.Err(); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		expect(t, query, n, want)
	}
	bad := b.api.PaymentIntents.Search(&stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Query: "colour:'red'"}})
	expect(t, "param", refusal(t, bad.Err()).Param, "query")
}

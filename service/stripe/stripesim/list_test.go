package stripesim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestListsArePaged(t *testing.T) {
	b := start(t, stripesim.Options{})
	var all []string
	for range 7 {
		all = append(all, b.open().ID)
	}
	slices.Reverse(all)
	p := &stripe.PaymentIntentListParams{}
	p.Limit = stripe.Int64(3)
	var got []string
	for list := b.api.PaymentIntents.List(p); list.Next(); {
		got = append(got, list.PaymentIntent().ID)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("newest first (-want +got):\n%s", diff)
	}
	back := &stripe.PaymentIntentListParams{}
	back.EndingBefore, back.Limit, back.Single = new(all[4]), stripe.Int64(2), true
	got = nil
	for list := b.api.PaymentIntents.List(back); list.Next(); {
		got = append(got, list.PaymentIntent().ID)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(all[2:4]))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("before the fifth (-want +got):\n%s", diff)
	}
}

func TestListsAreFiltered(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	old := b.open(func(p *stripe.PaymentIntentParams) { p.Customer = new(cu.ID) })
	b.Advance(time.Hour)
	recent := b.open()
	first := func(p *stripe.PaymentIntentListParams) string {
		all := b.api.PaymentIntents.List(p)
		all.Next()
		expect(t, "found", len(all.PaymentIntentList().Data), 1)
		return all.PaymentIntent().ID
	}
	expect(t, "by customer", first(&stripe.PaymentIntentListParams{Customer: new(cu.ID)}), old.ID)
	since := &stripe.RangeQueryParams{GreaterThan: old.Created}
	expect(t, "by time", first(&stripe.PaymentIntentListParams{CreatedRange: since}), recent.ID)

	events := b.api.Events.List(&stripe.EventListParams{Types: stripe.StringSlice([]string{
		"customer.created",
		"charge.*",
	})})
	for events.Next() {
	}
	expect(t, "events", len(events.EventList().Data), 1)
	event := must(b.api.Events.Get(events.EventList().Data[0].ID, nil))(t)
	expect(t, "type of the event", string(event.Type), "customer.created")
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
		found := b.api.PaymentIntents.Search(&stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{
			Query: query,
			Limit: stripe.Int64(2),
		}})
		n := 0
		for found.Next() {
			n++
		}
		if err := found.Err(); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		expect(t, query, n, want)
	}
	bad := b.api.PaymentIntents.Search(
		&stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{Query: "colour:'red'"}},
	)
	expect(t, "param", refusal(t, bad.Err()).Param, "query")
}

func TestExpansion(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.Customer = new(cu.ID) })
	must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(t)
	p := &stripe.PaymentIntentParams{}
	for _, path := range []string{"customer", "payment_method", "latest_charge.payment_intent", "invoice"} {
		p.AddExpand(path)
	}
	whole := must(b.api.PaymentIntents.Get(pi.ID, p))(t)
	expect(t, "email", whole.Customer.Email, "jenny@example.com")
	expect(t, "brand", whole.PaymentMethod.Card.Brand, stripe.PaymentMethodCardBrandVisa)
	expect(t, "amount seen from the charge", whole.LatestCharge.PaymentIntent.Amount, 2000)

	all := &stripe.RefundListParams{}
	must(b.Refund(pi.ID, 500))(t)
	all.AddExpand("data.charge")
	for refunds := b.api.Refunds.List(all); refunds.Next(); {
		expect(t, "charge", refunds.Refund().Charge.Amount, 2000)
	}
	must(b.api.Customers.Del(cu.ID, nil))(t)
	gone := &stripe.PaymentIntentParams{}
	gone.AddExpand("customer")
	expect(t, "deleted", must(b.api.PaymentIntents.Get(pi.ID, gone))(t).Customer.Deleted, true)
}

func TestTheOtherLists(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	b.customer()
	for path, want := range map[string]string{
		"/v1/charges?payment_intent=" + pi.ID: pi.LatestCharge.ID, "/v1/charges?payment_intent=pi_other": `"data": []`,
		"/v1/customers?email=jenny@example.com": `"email": "jenny@example.com"`, "/v1/customers?email=x": `"data": []`,
		"/v1/webhook_endpoints": `"enabled_events"`,
	} {
		status, body := b.read(path)
		expect(t, "http status of "+path, status, 200)
		contains(t, body, want)
		for _, problem := range answerErrors("GET", strings.Split(path, "?")[0], status, []byte(body)) {
			t.Errorf("%s: %s", path, problem)
		}
	}
	_, body := b.read("/v1/payment_intents?limit=0")
	contains(t, body, `"param": "limit"`)
	_, body = b.read("/v1/payment_intents?starting_after=pi_nothing")
	contains(t, body, `"resource_missing"`)
	requests := b.Requests()
	expect(t, "last path", requests[len(requests)-1].Path, "/v1/payment_intents?starting_after=pi_nothing")
}

// TestListedEventTypes: one list request accepts 20 event types at most.
func TestListedEventTypes(t *testing.T) {
	b := start(t, stripesim.Options{})
	for n, want := range map[int]int{20: http.StatusOK, 21: http.StatusBadRequest} {
		status, body := b.read("/v1/events?" + strings.Repeat("types[]=charge.updated&", n))
		if status != want {
			t.Errorf("%d types: status %d, want %d: %s", n, status, want, body)
		}
	}
}

package kasse_test

import (
	"context"
	"errors"

	kasse "kasse/clients/go"
)

// testFeed reads from the oldest event, stops, and resumes from the stored cursor.
func testFeed(d *dev) {
	t, ctx := d.t, d.t.Context()
	d.payOrder("earlier")
	cursor := d.awaitPaid("", "earlier", "later")
	d.payOrder("later")
	d.awaitPaid(cursor, "later", "earlier")

	for page, err := range d.client.FeedOf(ctx, kasse.FeedQuery{Order: "later", Types: []string{"order.paid"}}) {
		if err != nil || len(page.Events) != 1 || page.Events[0].Data.OrderID != "later" {
			t.Errorf("the order.paid of one order: %+v, %v", page, err)
		}
		break
	}
	for _, err := range d.client.FeedOf(ctx, kasse.FeedQuery{Types: []string{"order.payed"}}) {
		if !errors.Is(err, kasse.ProblemCodeInvalidRequest) {
			t.Errorf("a type that does not exist gives %v", err)
		}
	}

	reason := errors.New("the backend stops")
	stopped, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	pages := 0
	for page, err := range d.client.Feed(stopped, kasse.FromNow) {
		if err != nil {
			if !errors.Is(err, reason) {
				t.Errorf("the feed ends with %v", err)
			}
			break
		}
		if pages++; len(page.Events) != 0 || page.Next == "" {
			t.Errorf("the first page from now is %v", page)
		}
		stop(reason)
	}
	if pages != 1 {
		t.Errorf("from now there were %d pages", pages)
	}
}

func (d *dev) payOrder(id kasse.OrderID) {
	d.t.Helper()
	terms := kasse.PaymentCreate{OrderID: id, Amount: 100, Currency: "eur"}
	opened := must(d.client.CreatePayment(d.t.Context(), terms))(d.t)
	d.pay(opened, "pm_card_visa")
}

// awaitPaid reads the feed up to the order.paid of one order, and returns the cursor behind it.
// Another must not be paid.
func (d *dev) awaitPaid(cursor kasse.Cursor, wanted, unwanted kasse.OrderID) kasse.Cursor {
	d.t.Helper()
	for page, err := range d.client.Feed(d.t.Context(), cursor) {
		if err != nil {
			d.t.Fatal(err)
		}
		for _, event := range page.Events {
			if event.Type != "order.paid" {
				continue
			}
			if event.Data.OrderID == unwanted {
				d.t.Errorf("the feed from %q brings %s", cursor, event.ID)
			}
			if event.Data.OrderID == wanted {
				return page.Next
			}
		}
	}
	d.t.Fatal("the feed has ended")
	return ""
}

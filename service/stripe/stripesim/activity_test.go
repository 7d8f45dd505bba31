package stripesim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
)

// kinds returns the activities of a payment, as "kind endpoint" for a request and "kind type" for an event.
func (b *bench) kinds(payment string) (out []string) {
	for _, entry := range b.Activity(b.t.Context(), 0) {
		if entry.PaymentIntent == payment {
			out = append(out, strings.TrimSpace(entry.Kind+" "+either(entry.Type, entry.Endpoint)))
		}
	}
	return out
}

// either returns a, or b if a is empty.
func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestActivityShowsRequestsAndDeliveries(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	_ = must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa_chargeDeclined")))
	if err := b.AddFault(stripesim.Fault{Kind: stripesim.Dropped, Times: -1}); err != nil {
		t.Fatal(err)
	}
	_, err := b.api.PaymentIntents.Get(pi.ID, nil)
	if err == nil {
		t.Fatal("the dropped request was answered")
	}
	b.ClearFaults()
	b.arrived()
	got := b.kinds(pi.ID)
	for _, want := range []string{
		"request POST /v1/payment_intents", "request POST /v1/payment_intents/{intent}/confirm",
		"request GET /v1/payment_intents/{intent}", "delivery payment_intent.created",
		"delivery payment_intent.payment_failed", "delivery charge.failed",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no %q in %q", want, got)
		}
	}
	all := b.Activity(t.Context(), 0)
	statuses := map[string]int{}
	for i, entry := range all {
		expect(t, "number", entry.Number, int64(i+1))
		statuses[entry.Endpoint+entry.Type] = entry.Status
		if entry.At.IsZero() || entry.Took < 0 {
			t.Errorf("%+v has no time", entry)
		}
	}
	expect(t, "status of the decline", statuses["POST /v1/payment_intents/{intent}/confirm"], 402)
	expect(t, "status of the dropped one", statuses["GET /v1/payment_intents/{intent}"], 0)
	expect(t, "status of a delivery", statuses["charge.failed"], http.StatusOK)
	text := string(must(json.Marshal(all))(t))
	if strings.Contains(text, "_secret_") || strings.Contains(text, "sk_test") {
		t.Errorf("the activity shows a secret: %s", text)
	}
}

// TestActivityWaits: a request for new activity waits until there is some, and no longer than its wait
// parameter.
func TestActivityWaits(t *testing.T) {
	b := start(t, stripesim.Options{})
	call := b.controller()
	b.customer()
	b.arrived()
	first := call(200, "GET", "/activity", nil)
	next := first["next"].(float64)
	if next < 1 || len(first["activity"].([]any)) != int(next) {
		t.Fatalf("the first page is %v", first)
	}
	waiting := make(chan []stripesim.Activity)
	go func() { waiting <- b.Activity(t.Context(), int64(next)) }()
	b.customer()
	if news := <-waiting; news[0].Number != int64(next)+1 {
		t.Errorf("the entry after %v has the number %d", next, news[0].Number)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, "entries for a canceled request", len(b.Activity(over, 1<<40)), 0)
	call(400, "GET", "/activity?after=x", nil)
	call(400, "GET", "/activity?wait=2h", nil)
	b.Reset()
	b.customer()
	if after := b.Activity(t.Context(), 0); after[0].Number <= int64(next) {
		t.Errorf("after a reset the numbers begin with %d again", after[0].Number)
	}
}

// TestPlannedEvents: the next events of a payment can be lost, doubled or late, and a lost one can be sent again.
func TestPlannedEvents(t *testing.T) {
	b := start(t, stripesim.Options{})
	call := b.controller()
	plan := func(pi, delivery, delay string) {
		body := m{"delivery": delivery}
		if delay != "" {
			body["delay"] = delay
		}
		call(200, "POST", "/payments/"+pi+"/next_events", body)
	}
	count := func(pi, kind string) (n int) {
		for _, entry := range b.kinds(pi) {
			if entry == kind {
				n++
			}
		}
		return n
	}
	lost, twice, late, free := b.open().ID, b.open().ID, b.open().ID, b.open().ID
	b.arrived()
	plan(lost, "lost", "")
	plan(twice, "doubled", "")
	plan(late, "late", "1h")
	plan(free, "lost", "")
	plan(free, "", "")
	for _, pi := range []string{lost, twice, free, late} {
		call(200, "POST", "/payments/"+pi+"/decline", m{"code": "card_declined"})
		call(200, "POST", "/payments/"+pi+"/pay", m{"payment_method": "pm_card_visa"})
	}
	for deadline := time.Now().Add(30 * time.Second); b.Undelivered() > 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d deliveries are outstanding", b.Undelivered())
		}
	}
	const failed, succeeded = "delivery payment_intent.payment_failed", "delivery payment_intent.succeeded"
	for name, c := range map[string]struct {
		pi                string
		failed, succeeded int
	}{"lost": {lost, 0, 1}, "doubled": {twice, 2, 1}, "late": {late, 0, 1}, "ended": {free, 1, 1}} {
		expect(t, name+": failures", count(c.pi, failed), c.failed)
		expect(t, name+": successes", count(c.pi, succeeded), c.succeeded)
	}
	expect(t, "lost in the log", count(lost, "lost payment_intent.payment_failed"), 1)
	expect(t, "plan in the log", count(lost, "plan"), 1)
	expect(t, "late in the log", count(late, "late payment_intent.payment_failed"), 1)
	b.LetPass(time.Hour)
	b.arrived()
	expect(t, "the late event", count(late, failed), 1)

	event := lostEvent(t, b.Activity(t.Context(), 0))
	status, _ := b.read("/v1/events/" + event)
	expect(t, "status of the lost event at Stripe", status, http.StatusOK)
	call(200, "POST", "/events/"+event+"/resend", nil)
	b.arrived()
	expect(t, "the lost event, sent again", count(lost, failed), 1)
	call(404, "POST", "/events/evt_nothing/resend", nil)
	call(400, "POST", "/payments/"+lost+"/next_events", m{"delivery": "unknown"})
}

func lostEvent(t *testing.T, all []stripesim.Activity) string {
	t.Helper()
	for _, entry := range all {
		if entry.Kind == "lost" && entry.Type == "payment_intent.payment_failed" {
			return entry.Event
		}
	}
	t.Fatal("no event was lost")
	return ""
}

// TestTimePasses: work that is due is done although the clock does not move, so that events have the current date.
// Endpoints refuse older ones.
func TestTimePasses(t *testing.T) {
	b := start(t, stripesim.Options{Settle: 100 * time.Hour})
	call := b.controller()
	debit, voucher := b.open().ID, b.open().ID
	call(200, "POST", "/payments/"+debit+"/pay", m{"payment_method": "pm_sepaDebit"})
	call(200, "POST", "/payments/"+voucher+"/action", m{"type": "multibanco_display_details"})
	before := b.Now()
	call(200, "POST", "/pass", m{"time": "99h"})
	expect(t, "the debit, an hour too early", string(b.get(debit).Status), "processing")
	call(200, "POST", "/pass", m{"time": "1h"})
	expect(t, "the debit", string(b.get(debit).Status), "succeeded")
	expect(t, "the voucher", string(b.get(voucher).Status), "requires_action")
	call(200, "POST", "/pass", m{"time": "72h"})
	expect(t, "the voucher, after its week", string(b.get(voucher).Status), "requires_payment_method")
	if passed := b.Now().Sub(before); passed > time.Hour {
		t.Errorf("the clock has moved by %v", passed)
	}
	call(400, "POST", "/pass", m{"time": "-1h"})
}

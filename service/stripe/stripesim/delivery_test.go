package stripesim_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kasse/service/stripe/stripesim"
)

func TestRefusedDeliveriesAreRepeated(t *testing.T) {
	b := start(t, stripesim.Options{})
	b.receiver.refuse = 2
	b.open()
	wantEvents(t, b, "payment_intent.created")
	expect(t, "accepted", len(b.receiver.events()), 1)
}

func TestDeliveryGivesUpAfterThreeDays(t *testing.T) {
	b := start(t, stripesim.Options{})
	b.receiver.refuse = 1000
	b.open()
	for range 4 {
		time.Sleep(30 * time.Millisecond)
		b.Advance(24 * time.Hour)
	}
	deadline := time.Now().Add(5 * time.Second)
	for b.Undelivered() > 0 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	expect(t, "undelivered", b.Undelivered(), 0)
}

func TestEndpointsChooseTheirEvents(t *testing.T) {
	var got []string
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, string(body))
	}))
	b := start(t, stripesim.Options{})
	t.Cleanup(shop.Close)
	b.AddWebhook(stripesim.Webhook{URL: shop.URL, Secret: "whsec_other", Events: []string{"charge.*"}})
	b.pay("pm_card_visa")
	b.arrived()
	expect(t, "deliveries", len(got), 1)
	contains(t, got[0], `"type": "charge.succeeded"`)
	if !strings.HasPrefix(got[0], "{\n  \"id\": \"evt_") {
		t.Errorf("the body is not indented as Stripe's is:\n%.80s", got[0])
	}
}

// payWithFaults pays ten times with event faults. It returns the numbers of events and of deliveries that have reached
// the shop.
func payWithFaults(t *testing.T, opts stripesim.Options) (events, deliveries int) {
	t.Helper()
	b := start(t, opts)
	for range 10 {
		b.pay("pm_card_visa")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range b.receiver.events() {
		deliveries++
		seen[e.ID] = true
	}
	return len(seen), deliveries
}

// TestEventFaultsFollowTheSeed: the seed decides which events are dropped or duplicated.
func TestEventFaultsFollowTheSeed(t *testing.T) {
	const all = 30
	events, deliveries := payWithFaults(t, stripesim.Options{Seed: 1})
	expect(t, "events without faults", events, all)
	expect(t, "deliveries without faults", deliveries, all)

	events, deliveries = payWithFaults(t, stripesim.Options{Seed: 1, Drop: 0.5})
	if events == 0 || events >= all || deliveries != events {
		t.Errorf("with Drop: %d events, %d deliveries", events, deliveries)
	}
	events, deliveries = payWithFaults(t, stripesim.Options{Seed: 1, Duplicate: 0.5})
	if events <= all || deliveries <= events {
		t.Errorf("with Duplicate: %d events, %d deliveries", events, deliveries)
	}
	again, repeated := payWithFaults(t, stripesim.Options{Seed: 1, Duplicate: 0.5})
	if diff := cmp.Diff([]int{events, deliveries}, []int{again, repeated}); diff != "" {
		t.Errorf("the seed does not replay:\n%s", diff)
	}
}

func TestReorderedEventsAreOvertaken(t *testing.T) {
	b := start(t, stripesim.Options{Seed: 3, Reorder: 0.5})
	for range 5 {
		b.pay("pm_card_visa")
	}
	made := b.arrived()
	var taken []string
	for _, e := range b.receiver.events() {
		taken = append(taken, string(e.Type))
	}
	expect(t, "events", len(taken), len(made))
	if cmp.Equal(made, taken) {
		t.Error("all events arrived in order")
	}
}

// TestOlderEvents: versions before 2022-11-15 show a payment's charges in a list and have no latest_charge.
func TestOlderEvents(t *testing.T) {
	b := start(t, stripesim.Options{APIVersion: "2020-08-27"})
	b.RemoveWebhooks()
	pi := b.pay("pm_card_visa")
	_, body := b.read("/v1/events?type=payment_intent.succeeded")
	contains(t, body, `"api_version": "2020-08-27"`)
	contains(t, body, `"total_count": 1`)
	contains(t, body, pi.LatestCharge.ID)
	if strings.Contains(body, "latest_charge") {
		t.Error("the event has latest_charge, which did not exist then")
	}
}

// read requests a path with the secret key.
func (b *bench) read(path string) (status int, body string) {
	b.t.Helper()
	req := must(http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil))(b.t)
	req.Header.Set("Authorization", "Bearer "+secretKey)
	res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(b.t)
	raw := must(io.ReadAll(res.Body))(b.t)
	_ = res.Body.Close()
	return res.StatusCode, string(raw)
}

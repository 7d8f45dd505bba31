package stripesim_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// TestEveryListedEventArrives: with any event faults, listed events arrive at least once, and nothing else
// arrives.
func TestEveryListedEventArrives(t *testing.T) {
	b := start(t, stripesim.Options{Seed: 7, Duplicate: 0.3, Reorder: 0.3, Drop: 0.1})
	b.receiver.refuse = 5
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				b.pay("pm_card_visa")
			}
		})
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	arrived := map[string]bool{}
	for _, e := range b.receiver.events() {
		arrived[e.ID] = true
	}
	listed := map[string]bool{}
	p := &stripe.EventListParams{}
	p.Limit = stripe.Int64(100)
	for events := b.api.Events.List(p); events.Next(); {
		listed[events.Event().ID] = true
	}
	if diff := cmp.Diff(listed, arrived); diff != "" {
		t.Errorf("listed and arrived (-listed +arrived):\n%s", diff)
	}
}

// TestOneKeyAtOnceMakesOnePayment: concurrent creates with one idempotency key create one payment.
func TestOneKeyAtOnceMakesOnePayment(t *testing.T) {
	b := start(t, stripesim.Options{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if res, _ := b.postForm("same", intents, terms); res.StatusCode != http.StatusOK &&
				res.StatusCode != http.StatusConflict {
				t.Errorf("http status is %d", res.StatusCode)
			}
		})
	}
	all.Wait()
	n := 0
	for made := b.api.PaymentIntents.List(&stripe.PaymentIntentListParams{}); made.Next(); {
		n++
	}
	expect(t, "payments", n, 1)
}

func TestTheSeedReplaysIds(t *testing.T) {
	var runs [2]string
	for i := range runs {
		b := start(t, stripesim.Options{Seed: 42})
		pi := b.pay("pm_card_visa")
		runs[i] = fmt.Sprint(pi.ID, pi.LatestCharge.ID, pi.ClientSecret)
	}
	expect(t, "second run", runs[1], runs[0])
}

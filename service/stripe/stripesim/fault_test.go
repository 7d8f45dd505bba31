package stripesim_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// TestFaultsBeforeAndAfterTheWork: a fault hits a request before or after Stripe has done its work, and only once.
func TestFaultsBeforeAndAfterTheWork(t *testing.T) {
	for _, tt := range []struct {
		fault stripesim.Fault
		made  int // PaymentIntents that were created, although the caller got none
	}{
		{stripesim.Fault{Kind: stripesim.RateLimited}, 0},
		{stripesim.Fault{Kind: stripesim.LockTimeout}, 0},
		{stripesim.Fault{Kind: stripesim.ServerError}, 0},
		{stripesim.Fault{Kind: stripesim.ServerError, After: true}, 1},
		{stripesim.Fault{Kind: stripesim.Dropped}, 0},
		{stripesim.Fault{Kind: stripesim.Dropped, After: true}, 1},
		{stripesim.Fault{Kind: stripesim.Timeout}, 0},
		{stripesim.Fault{Kind: stripesim.Timeout, After: true}, 1},
		{stripesim.Fault{Kind: stripesim.Endless}, 1},
		{stripesim.Fault{Kind: stripesim.Truncated}, 1},
	} {
		t.Run(fmt.Sprintf("%s, after %t", tt.fault.Kind, tt.fault.After), func(t *testing.T) {
			b := start(t, stripesim.Options{})
			tt.fault.Endpoint = "POST " + intents
			if err := b.AddFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			caller := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
			short := *caller
			if kind := tt.fault.Kind; kind == stripesim.Timeout || kind == stripesim.Endless {
				short.Timeout = 2 * time.Second // the fault ends in no other way
			}
			if err := create(&short, b.url); err == nil {
				t.Error("the caller got no error")
			}
			all := b.api.PaymentIntents.List(&stripe.PaymentIntentListParams{})
			for all.Next() {
			}
			expect(t, "PaymentIntents", len(all.PaymentIntentList().Data), tt.made)
			if err := create(caller, b.url); err != nil {
				t.Errorf("the fault did not end: %v", err)
			}
		})
	}
}

// create opens a payment and reads the whole response.
func create(with *http.Client, url string) error {
	req, err := http.NewRequest(http.MethodPost, url+intents, strings.NewReader(terms))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+secretKey)
	res, err := with.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.ReadAll(res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

func TestFaultsAreCounted(t *testing.T) {
	b := start(t, stripesim.Options{})
	if err := b.AddFault(stripesim.Fault{Kind: stripesim.ServerError, Skip: 1, Times: 2}); err != nil {
		t.Fatal(err)
	}
	var got []int
	for range 5 {
		status, _ := b.read("/v1/account")
		got = append(got, status)
	}
	for i, want := range []int{200, 500, 500, 200, 200} {
		expect(t, "http status", got[i], want)
	}
	if b.AddFault(stripesim.Fault{Kind: "unknown"}) == nil ||
		b.AddFault(stripesim.Fault{Kind: stripesim.Slow, Endpoint: "GET /nowhere"}) == nil {
		t.Error("a fault without a known kind or endpoint was accepted")
	}
}

// TestCloseReleasesHeldRequests: closing the server ends the requests that a fault holds.
func TestCloseReleasesHeldRequests(t *testing.T) {
	b := start(t, stripesim.Options{})
	if err := b.AddFault(stripesim.Fault{Kind: stripesim.Timeout, Times: -1}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- create(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, b.url) }()
	for b.Count("POST "+intents) == 0 {
		time.Sleep(time.Millisecond)
	}
	b.Close()
	if err := <-ended; err == nil {
		t.Error("the held request was answered")
	}
}

func TestEveryStatusCanBeReached(t *testing.T) {
	for _, to := range []string{
		"requires_payment_method", "requires_confirmation", "requires_action", "processing",
		"requires_capture", "succeeded", "canceled",
	} {
		t.Run(to, func(t *testing.T) {
			b := start(t, stripesim.Options{Settle: time.Hour})
			pi := b.open()
			if err := b.SetStatus(pi.ID, to); err != nil {
				t.Fatal(err)
			}
			expect(t, "status", string(b.get(pi.ID).Status), to)
			b.arrived()
		})
	}
}

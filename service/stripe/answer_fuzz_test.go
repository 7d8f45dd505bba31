package stripe

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// fixedAnswer is a transport that returns the same response to every request.
type fixedAnswer struct {
	status int
	body   string
}

// RoundTrip returns the response without sending the request.
func (h fixedAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{
		"Request-Id": {"req_1"}, "Date": {"Mon, 23 Nov 2026 12:00:00 GMT"}, "Stripe-Should-Retry": {"false"},
	}
	return &http.Response{
		StatusCode: h.status, ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: r,
		Body: io.NopCloser(strings.NewReader(h.body)), ContentLength: int64(len(h.body)),
	}, nil
}

// gatewayAnswered returns a gateway without retries, since stripe-go waits between them.
func gatewayAnswered(h fixedAnswer) *Gateway {
	g := New(Options{
		SecretKey: "sk_test_fuzz", Service: "kasse", Timeout: time.Minute, Now: func() time.Time { return noon },
	})
	backend := stripego.GetBackendWithConfig(stripego.APIBackend, &stripego.BackendConfig{
		URL: new("https://api.stripe.test"), HTTPClient: newHTTPClient(Options{Transport: h, Now: time.Now}),
		MaxNetworkRetries: new(int64(0)), EnableTelemetry: new(false),
		LeveledLogger: &stripego.LeveledLogger{Level: stripego.LevelNull},
	})
	g.backend = backend.(*stripego.BackendImplementation)
	return g
}

// FuzzAnswer: for any response of Stripe or a proxy, a call does not panic. It returns a PaymentIntent that can be
// stored, or an error with one of our codes and no part of the body.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		intentBody, "{}", "", "null", "[]", "\x00", `{"object":"list","data":[` + intentBody + `],"has_more":false}`,
		strings.Replace(intentBody, `"pi_1"`, `"pi_1/../customers"`, 1),
		strings.Replace(intentBody, "requires_payment_method", "paused", 1),
		`{"error":{"type":"card_error","code":"card_declined","message":"` + secretInIntent + `","payment_intent":` +
			intentBody + `}}`,
		`{"error":{"type":"invalid_request_error","param":"customer","code":"resource_missing"}}`, `{"error":"no"}`,
		`{"error":null}`,
		`{"error":{"payment_intent":{"id":null}}}`, `<html>`, intentBody[:100],
		`{"client_secret":"cuss_1","expires_at":1}`,
	} {
		for _, status := range []int{200, 301, 400, 402, 404, 409, 429, 500, 503} {
			f.Add(status, body)
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 {
			t.Skip("net/http returns no such response")
		}
		g := gatewayAnswered(fixedAnswer{status, body})
		for _, call := range []func() (payment.Answer, error){
			func() (payment.Answer, error) { return g.RetrievePayment(t.Context(), "pi_1") },
			func() (payment.Answer, error) { return g.OpenPayment(t.Context(), "key", "amount=1000") },
			func() (payment.Answer, error) {
				found, err := g.FindPayments(t.Context(), "shop-1", "", time.Unix(0, 0), time.Unix(1, 0))
				if len(found) == 0 {
					found = []payment.Answer{
						{Intent: payment.Intent{ID: "pi_none", Snapshot: payment.Snapshot{Status: payment.Canceled}}},
					}
				}
				return found[0], err
			},
			func() (payment.Answer, error) {
				_, err := g.OpenSession(t.Context(), "cus_1", payment.SessionFeatures{})
				return payment.Answer{
					Intent: payment.Intent{ID: "pi_none", Snapshot: payment.Snapshot{Status: payment.Canceled}},
				}, err
			},
		} {
			answer, err := call()
			checkAnswer(t, body, answer, err)
		}
	})
}

// checkAnswer fails the test unless the answer can be stored, or the error is one of the contract's.
func checkAnswer(t *testing.T, body string, answer payment.Answer, err error) {
	t.Helper()
	if err == nil {
		if !answer.ID.Valid() || !answer.Status.Known() {
			t.Fatalf("%q is decoded as %+v", body, answer.Intent)
		}
		return
	}
	e, ok := errors.AsType[*payment.Error](err)
	if !ok || e.Code == "" || strings.Contains(err.Error(), "do_not_tell") {
		t.Fatalf("%q becomes %v", body, err)
	}
	if e.Intent != nil && (!e.Intent.ID.Valid() || !e.Intent.Status.Known()) {
		t.Fatalf("%q is an error with %+v", body, e.Intent.Intent)
	}
}

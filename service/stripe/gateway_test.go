package stripe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/service/payment"
)

const secretInIntent = "pi_1_secret_do_not_tell"

// intentBody is a PaymentIntent as Stripe returns it.
const intentBody = `{"id":"pi_1","object":"payment_intent","status":"requires_payment_method","amount":1000,` +
	`"currency":"eur","created":1600000000,"client_secret":"` + secretInIntent + `","latest_charge":null,"metadata":{}}`

// stripeThat returns a gateway whose Stripe is the handler, and the requests that it has received.
func stripeThat(t *testing.T, timeout time.Duration, handle http.HandlerFunc) (*Gateway, *[]*http.Request) {
	t.Helper()
	seen := &[]*http.Request{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Form = nil
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		*seen = append(*seen, r)
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return New(Options{
		SecretKey: "sk_test_do_not_tell", BaseURL: server.URL, Service: "kasse", Timeout: timeout, Now: time.Now,
		Transport: transport,
	}), seen
}

// reply returns a handler with a response that stripe-go does not retry.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Request-Id", "req_1")
		w.Header().Set("Stripe-Should-Retry", "false")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const otherFormText = "another form under the key"

// refusalsCases are errors of Stripe, with those of the contract.
var refusalsCases = []struct {
	name    string
	status  int
	members string // of the error
	want    payment.Code
	pointer string
	refused bool
}{
	{
		"no such customer", 400, `"type":"invalid_request_error","code":"resource_missing","param":"customer"`,
		payment.CodeCustomerNotFound, "/customer", true,
	},
	{
		"no such intent", 404, `"type":"invalid_request_error","code":"resource_missing","param":"intent"`,
		payment.CodeNotFound, "", true,
	},
	{
		"too small", 400, `"type":"invalid_request_error","code":"amount_too_small","param":"amount"`,
		payment.CodeAmountOutOfRange, "/amount", true,
	},
	{
		"no such currency", 400, `"type":"invalid_request_error","param":"currency"`,
		payment.CodeUnsupportedCurrency, "/currency", true,
	},
	{
		"a parameter of the caller", 400, `"type":"invalid_request_error","param":"receipt_email"`,
		payment.CodeInvalidRequest, "/receipt_email", true,
	},
	{
		"a parameter of our own", 400, `"type":"invalid_request_error","param":"brand_new"`,
		payment.CodeStripeError, "", true,
	},
	{
		"no balance", 400, `"type":"invalid_request_error","code":"balance_insufficient"`,
		payment.CodeBalanceInsufficient, "", true,
	},
	{
		"no decimals", 400,
		`"type":"invalid_request_error","code":"invalid_charge_amount_no_decimal_compatible"`,
		payment.CodeAmountOutOfRange, "/amount", true,
	},
	{
		"no such amount", 400, `"type":"invalid_request_error","code":"invalid_charge_amount"`,
		payment.CodeAmountOutOfRange, "/amount", true,
	},
	{
		"a capture of too much", 400, `"type":"invalid_request_error","param":"amount_to_capture"`,
		payment.CodeAmountOutOfRange, "/amount", true,
	},
	{"a bad key", 401, `"type":"invalid_request_error"`, payment.CodeStripeError, "", true},
	{
		"a declined card", 402, `"type":"card_error","code":"card_declined","decline_code":"lost_card"`,
		payment.CodeStripeError, "", true,
	},
	{
		"the key is in use", 409, `"type":"idempotency_error","code":"idempotency_key_in_use"`,
		payment.CodeIdempotencyInProgress, "", false,
	},
	{otherFormText, 400, `"type":"idempotency_error"`, payment.CodeStripeError, "", false},
	{
		"too many requests", 429, `"type":"invalid_request_error","code":"rate_limit"`,
		payment.CodeStripeRateLimited, "", false,
	},
	{"a fault of Stripe", 500, `"type":"api_error"`, payment.CodeStripeError, "", false},
	{"unavailable", 503, `"type":"api_error"`, payment.CodeStripeUnavailable, "", false},
}

// TestRefusals: an error of Stripe becomes one of the contract. It has none of Stripe's texts, which may contain client
// secrets.
func TestRefusals(t *testing.T) {
	for _, tt := range refusalsCases {
		t.Run(tt.name, func(t *testing.T) {
			body := `{"error":{` + tt.members + `,"message":"about ` + secretInIntent + `","payment_intent":` +
				intentBody + `}}`
			g, _ := stripeThat(t, 5*time.Second, reply(tt.status, body))
			_, err := g.OpenPayment(t.Context(), "key", "amount=1000")
			e, ok := errors.AsType[*payment.Error](err)
			if !ok || e.Code != tt.want || e.Refused != tt.refused || e.StripeRequestID != "req_1" {
				t.Fatalf("got error %+v", err)
			}
			if e.Replayed != (tt.name == otherFormText) {
				t.Fatalf("replayed is %t, want %t", e.Replayed, !e.Replayed)
			}
			if tt.pointer != "" && (len(e.Fields) != 1 || e.Fields[0].Pointer != tt.pointer) {
				t.Fatalf("the error has the fields %+v", e.Fields)
			}
			if e.Intent == nil || e.Intent.Status != payment.RequiresPaymentMethod {
				t.Fatalf("the PaymentIntent of the error is %+v", e.Intent)
			}
			if text := fmt.Sprintf("%v %+v", err, e.Cause); strings.Contains(text, "_secret_") {
				t.Fatal("the error has a client secret")
			}
		})
	}
}

// TestMisbehaviour: for any behavior of Stripe or the network, a call ends in time with an error of the contract, which
// has none of Stripe's texts.
func TestMisbehaviour(t *testing.T) {
	const noResponse = "no response"
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		want   payment.Code
	}{
		{noResponse, hang, payment.CodeStripeTimeout},
		{"a proxy's page", reply(http.StatusBadGateway, "<html>"+secretInIntent), payment.CodeStripeError},
		{"half a response", reply(http.StatusOK, intentBody[:60]), payment.CodeStripeError},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		}, payment.CodeStripeError},
		{
			"a closed connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			payment.CodeStripeUnavailable,
		},
		{"an endless response", func(w http.ResponseWriter, r *http.Request) {
			for chunk := make([]byte, 64<<10); r.Context().Err() == nil; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, payment.CodeStripeError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute // never reached, also on a busy machine
			if tt.name == noResponse {
				timeout = time.Second
			}
			g, _ := stripeThat(t, timeout, tt.handle)
			_, err := g.RetrievePayment(context.WithoutCancel(t.Context()), "pi_1")
			e, ok := errors.AsType[*payment.Error](err)
			if !ok || e.Code != tt.want || e.Refused || strings.Contains(fmt.Sprintf("%v", err), "_secret_") {
				t.Fatalf("got error %+v", err)
			}
		})
	}
}

// TestStaleAnswers: a response that may be older than its date does not count as a read.
func TestStaleAnswers(t *testing.T) {
	t.Run("a replay", func(t *testing.T) {
		g, _ := stripeThat(t, 5*time.Second, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Idempotent-Replayed", "true")
			reply(http.StatusOK, intentBody)(w, r)
		})
		if a, err := g.OpenPayment(t.Context(), "key", "amount=1000"); err != nil || !a.Stale {
			t.Fatalf("got stale %t, %v", a.Stale, err)
		}
	})
	t.Run("a call that was sent twice", func(t *testing.T) {
		sent := 0
		g, seen := stripeThat(t, 10*time.Second, func(w http.ResponseWriter, r *http.Request) {
			if sent++; sent == 1 {
				panic(http.ErrAbortHandler)
			}
			reply(http.StatusOK, intentBody)(w, r)
		})
		if a, err := g.OpenPayment(t.Context(), "key", "amount=1000"); err != nil || !a.Stale {
			t.Fatalf("got stale %t, %v", a.Stale, err)
		}
		for _, r := range *seen {
			if r.Header.Get("Idempotency-Key") != "key" {
				t.Fatal("the idempotency key changed between tries")
			}
		}
	})
	t.Run("a plain response", func(t *testing.T) {
		g, _ := stripeThat(t, 5*time.Second, reply(http.StatusOK, intentBody))
		a, err := g.OpenPayment(t.Context(), "key", "amount=1000")
		if err != nil || a.Stale || a.Date == 0 || a.ClientSecret.Reveal() != secretInIntent {
			t.Fatalf("got %+v, %v", a, err)
		}
	})
}

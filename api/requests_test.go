package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/logbuffer"
	"kasse/test/wait"
)

// lines is the log of an API, one JSON object a line.
type lines struct{ logbuffer.Buffer }

// request is a request as a test writes it: "POST /v1/payments".
type request struct {
	line   string
	token  string // of the Authorization header; none where it is empty
	body   string
	header map[string]string
	bad    bool // the contract does not allow it
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (w *apiEnv) send(r request) reply {
	w.t.Helper()
	method, path, _ := strings.Cut(r.line, " ")
	ctx := w.t.Context()
	if r.bad {
		ctx = bad(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, method, w.api.URL+path, strings.NewReader(r.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

func unmarshal(text []byte, into any) error { return json.Unmarshal(text, into) }

// into decodes the body of an answer that has to have the status.
func (r reply) into(t *testing.T, status int, body any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if err := unmarshal([]byte(r.body), body); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// opened is the answer to a create.
type opened struct {
	PaymentIntent  string `json:"payment_intent"`
	State          string
	Attempt        int
	Amount         int64
	Version        int64
	ClientSecret   string `json:"client_secret"`
	PublishableKey string `json:"publishable_key"`
	Customer       *string
	Session        *struct {
		ClientSecret string `json:"client_secret"`
	} `json:"customer_session"`
}

func (w *apiEnv) create(order string) opened {
	w.t.Helper()
	var made opened
	w.send(request{
		line: "POST /v1/payments", token: fullKey,
		body: fmt.Sprintf(`{"order_id":%q,"amount":4999,"currency":"eur"}`, order),
	}).
		into(w.t, http.StatusCreated, &made)
	return made
}

// customer makes a customer at Stripe, as the shop did long ago.
func (w *apiEnv) customer() string {
	w.t.Helper()
	r := httptest.NewRequestWithContext(
		w.t.Context(), http.MethodPost, "/v1/customers", strings.NewReader("email=ada@example.org"),
	)
	r.Header.Set("Authorization", "Bearer sk_test_kasse")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	w.stripe.ServeHTTP(answer, r)
	var made struct{ ID string }
	if err := unmarshal(answer.Body.Bytes(), &made); err != nil || made.ID == "" {
		w.t.Fatalf("customer: %v %s", err, answer.Body)
	}
	return made.ID
}

// signed is the header with which Stripe signs a body.
func signed(body string) map[string]string {
	return map[string]string{"Stripe-Signature": stripesim.Sign(webhookSecret, time.Now(), []byte(body))}
}

// deliverWebhooks lets the simulator post its events from now on.
func (w *apiEnv) deliverWebhooks() {
	w.stripe.AddWebhook(stripesim.Webhook{URL: w.api.URL + "/webhooks/stripe", Secret: webhookSecret})
}

// reach polls until the payment is in the state.
func (w *apiEnv) reach(id, state string) reply {
	w.t.Helper()
	deadline := time.Now().Add(wait.Patience)
	for {
		answer := w.send(request{line: "GET /v1/payments/" + id, token: fullKey})
		if strings.Contains(answer.body, `"state":"`+state+`"`) {
			return answer
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not %s: %s", state, answer.body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

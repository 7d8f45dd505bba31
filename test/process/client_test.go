package process_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kasse/test/wait"
)

// keyEntry returns the SERVICE_KEYS entry of a key.
func keyEntry(name, key, scopes string) string {
	sum := sha256.Sum256([]byte(key))
	return name + ":" + hex.EncodeToString(sum[:]) + ":" + scopes
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends one request. It returns an error unless the whole response arrives.
func call(
	ctx context.Context, client *http.Client, method, address string, header map[string]string, body string,
) (answer, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, text}, err
}

// request sends a request to the process, with a credential and a JSON body.
func (p *process) request(credential, method, path, body string) (answer, error) {
	header := map[string]string{"Authorization": "Bearer " + credential}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	return call(p.t.Context(), p.client, method, p.public+path, header, body)
}

// must is request; it fails the test unless the response has the status.
func (p *process) must(status int, credential, method, path, body string) answer {
	p.t.Helper()
	a, err := p.request(credential, method, path, body)
	if err != nil {
		p.t.Fatalf("%s %s: no response: %v", method, path, err)
	}
	if a.status != status {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// view holds the compared members of a create's response, a status view, or a problem.
type view struct {
	PaymentIntent   string `json:"payment_intent"`
	OrderID         string `json:"order_id"`
	Attempt         int    `json:"attempt"`
	State           string `json:"state"`
	Version         int64  `json:"version"`
	Amount          int64  `json:"amount"`
	AmountReceived  int64  `json:"amount_received"`
	Fulfillable     bool   `json:"fulfillable"`
	ClientSecret    string `json:"client_secret"`
	CustomerSession *struct {
		ClientSecret string `json:"client_secret"`
	} `json:"customer_session"`

	Code      string `json:"code"`
	Retryable bool   `json:"retryable"`
}

func (a answer) view(t *testing.T) view {
	t.Helper()
	var v view
	a.decode(t, &v)
	return v
}

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("the response is not the expected JSON: %v: %s", err, a.body)
	}
}

// orderBody returns the body of a create.
func orderBody(id, customer string) string {
	return fmt.Sprintf(`{"order_id":%q,"amount":4200,"currency":"eur","customer":%q}`, id, customer)
}

// requestStripe calls the simulator's API and decodes the response. A declined payment (402) is a
// valid response.
func (w *processEnv) requestStripe(method, path, key string, form url.Values, into any) {
	w.t.Helper()
	header := map[string]string{"Authorization": "Bearer " + key, "Content-Type": "application/x-www-form-urlencoded"}
	a, err := call(w.t.Context(), w.client, method, w.stripe+path, header, form.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	if a.status != http.StatusOK && a.status != http.StatusPaymentRequired {
		w.t.Fatalf("the simulator: %s %s: status %d, want 200 or 402: %s", method, path, a.status, a.body)
	}
	a.decode(w.t, into)
}

// intent is a PaymentIntent at the simulator.
type intent struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	Amount         int64             `json:"amount"`
	AmountReceived int64             `json:"amount_received"`
	ClientSecret   string            `json:"client_secret"`
	Metadata       map[string]string `json:"metadata"`
	LastError      *struct{}         `json:"last_payment_error"`
}

// customer creates a customer at the simulator and returns the id.
func (w *processEnv) customer() string {
	w.t.Helper()
	var customer struct{ ID string }
	w.requestStripe(http.MethodPost, "/v1/customers", stripeKey, url.Values{"email": {"ada@example.com"}}, &customer)
	return customer.ID
}

// pay confirms a payment as a page does, with only the members that the create returned.
func (w *processEnv) pay(v view, method string) intent {
	w.t.Helper()
	form := url.Values{
		"client_secret": {v.ClientSecret}, "payment_method": {method},
		"return_url": {"https://shop.example/thanks"},
	}
	var pi intent
	w.requestStripe(http.MethodPost, "/v1/payment_intents/"+v.PaymentIntent+"/confirm", publishableKey, form, &pi)
	return pi
}

// intents returns all PaymentIntents of the simulator, by order id.
func (w *processEnv) intents() map[string][]intent {
	w.t.Helper()
	byOrder := map[string][]intent{}
	for after := ""; ; {
		var page struct {
			Data    []intent
			HasMore bool `json:"has_more"`
		}
		w.requestStripe(http.MethodGet, "/v1/payment_intents?limit=100"+after, stripeKey, nil, &page)
		for _, pi := range page.Data {
			byOrder[pi.Metadata["kasse_order_id"]] = append(byOrder[pi.Metadata["kasse_order_id"]], pi)
		}
		if !page.HasMore {
			return byOrder
		}
		after = "&starting_after=" + page.Data[len(page.Data)-1].ID
	}
}

// awaitState polls the payment's status, as a page does, until the payment is in the state.
func (p *process) awaitState(v view, want string) {
	p.t.Helper()
	wait.Until(p.t, v.PaymentIntent+" as "+want, func() error {
		a, err := p.request(v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
		if err != nil {
			return err
		}
		if state := a.view(p.t).State; state != want {
			return fmt.Errorf("the state is %q: %s", state, bytes.TrimSpace(a.body))
		}
		return nil
	})
}

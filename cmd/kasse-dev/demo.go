package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// demoTimeout limits a step, and the start. Simulated webhooks arrive at once: only what is broken takes so long.
const demoTimeout = 20 * time.Second

// demo plays two orders: one customer pays at once, another is declined and pays at the second try.
func (w *stack) demo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*demoTimeout)
	defer cancel()
	d := &player{stack: w}
	d.step(ctx, "a customer with a saved card", d.customer)
	d.step(
		ctx, "the backend opens a payment",
		func(ctx context.Context) (string, error) { return d.open(ctx, "demo-1", 4200) },
	)
	d.step(ctx, "the customer pays", func(ctx context.Context) (string, error) { return d.pay(ctx, "pm_card_visa") })
	d.step(ctx, "the page polls", func(ctx context.Context) (string, error) { return d.poll(ctx, "paid") })
	d.step(ctx, "what the webhooks did", d.history)
	d.step(
		ctx, "the backend opens another",
		func(ctx context.Context) (string, error) { return d.open(ctx, "demo-2", 1999) },
	)
	d.step(
		ctx, "the card is declined",
		func(ctx context.Context) (string, error) { return d.pay(ctx, "pm_card_visa_chargeDeclined") },
	)
	d.step(ctx, "the page polls", func(ctx context.Context) (string, error) { return d.poll(ctx, "failed") })
	d.step(
		ctx, "the customer tries again",
		func(ctx context.Context) (string, error) { return d.pay(ctx, "pm_card_visa") },
	)
	d.step(ctx, "the page polls", func(ctx context.Context) (string, error) { return d.poll(ctx, "paid") })
	d.step(ctx, "what the webhooks did", d.history)
	return d.err
}

// player runs the demo's steps. After a failed step it skips the rest.
type player struct {
	*stack
	customerID, payment, secret string
	err                         error
}

func (d *player) step(ctx context.Context, title string, play func(context.Context) (string, error)) {
	if d.err != nil {
		return
	}
	result, err := play(ctx)
	if err != nil {
		d.err = fmt.Errorf("%s: %w", title, err)
		fmt.Printf("FAILED  %-30s %v\n", title, err)
		return
	}
	fmt.Printf("ok      %-30s %s\n", title, result)
}

func (d *player) customer(ctx context.Context) (string, error) {
	var customer, method struct{ ID string }
	if err := d.callStripe(
		ctx, secretKey, "/v1/customers", url.Values{"email": {"ada@example.com"}}, &customer,
	); err != nil {
		return "", err
	}
	d.customerID = customer.ID
	err := d.callStripe(
		ctx, secretKey, "/v1/payment_methods/pm_card_visa/attach", url.Values{"customer": {customer.ID}}, &method,
	)
	return customer.ID + " has saved " + method.ID, err
}

func (d *player) open(ctx context.Context, order string, amount int) (string, error) {
	var opened struct {
		PaymentIntent   string `json:"payment_intent"`
		State           string `json:"state"`
		ClientSecret    string `json:"client_secret"`
		CustomerSession *struct {
			ClientSecret string `json:"client_secret"`
		} `json:"customer_session"`
	}
	body := map[string]any{"order_id": order, "amount": amount, "currency": "eur", "customer": d.customerID}
	if err := d.callKasse(ctx, serviceKey, http.MethodPost, "/v1/payments", body, &opened); err != nil {
		return "", err
	}
	if opened.CustomerSession == nil || opened.CustomerSession.ClientSecret == "" {
		return "", errors.New("there is no customer session")
	}
	d.payment, d.secret = opened.PaymentIntent, opened.ClientSecret
	return fmt.Sprintf("%s for %s is %s; both client secrets are here", d.payment, order, opened.State), nil
}

// pay confirms as Stripe.js does: with the publishable key and the client secret. A decline is a result, not
// an error.
func (d *player) pay(ctx context.Context, method string) (string, error) {
	var intent struct {
		Status string
		Error  struct{ Code string }
	}
	form := url.Values{
		"client_secret": {d.secret}, "payment_method": {method}, "return_url": {"https://shop.example/thanks"},
	}
	path := "/v1/payment_intents/" + d.payment + "/confirm"
	if err := d.callStripe(ctx, publishableKey, path, form, &intent); err != nil {
		return "", err
	}
	if intent.Error.Code != "" {
		return "Stripe reports " + intent.Error.Code + " to " + method, nil
	}
	return "Stripe reports " + intent.Status + " to " + method, nil
}

// poll polls with the client secret, as the return page does, until the wanted state. From the second request
// on it uses ?wait.
func (d *player) poll(ctx context.Context, want string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	var seen status
	for polls := 1; ; polls++ {
		err := d.pollOnce(ctx, &seen)
		switch {
		case ctx.Err() != nil:
			return "", fmt.Errorf("still %s; %s was expected", seen.State, want)
		case err != nil:
			return "", err
		case seen.State == want:
			noun := "polls"
			if polls == 1 {
				noun = "poll"
			}
			return fmt.Sprintf("%s after %d %s (next: %s)", seen.State, polls, noun, seen.Next), nil
		}
	}
}

// status is the page's last known status.
type status struct {
	State, Next string
	etag        string
}

// pollOnce sends one status request, which may be held.
func (d *player) pollOnce(ctx context.Context, seen *status) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.kasse+"/v1/payments/"+d.payment+"?wait=25", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+d.secret)
	if seen.etag != "" {
		request.Header.Set("If-None-Match", seen.etag)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	switch response.StatusCode {
	case http.StatusNotModified:
		return nil
	case http.StatusOK:
		seen.etag = response.Header.Get("ETag")
		return json.NewDecoder(response.Body).Decode(seen)
	}
	return fmt.Errorf("kasse answered %d", response.StatusCode)
}

func (d *player) history(ctx context.Context) (string, error) {
	var answer struct {
		History []struct{ To, Cause string }
	}
	if err := d.callKasse(
		ctx, serviceKey, http.MethodGet, "/v1/payments/"+d.payment+"/history", nil, &answer,
	); err != nil {
		return "", err
	}
	var steps []string
	for _, entry := range answer.History {
		cause, _, _ := strings.Cut(entry.Cause, " ")
		steps = append(steps, entry.To+" by "+cause)
	}
	return strings.Join(steps, ", "), nil
}

func (d *player) callKasse(ctx context.Context, credential, method, path string, body, into any) error {
	status, err := callJSON(ctx, method, d.kasse+path, credential, body, into)
	if err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("kasse answered %d", status)
	}
	return err
}

func (d *player) callStripe(ctx context.Context, key, path string, form url.Values, into any) error {
	status, err := postForm(ctx, d.stripe+path, key, form, into)
	if err == nil && status >= http.StatusBadRequest && status != http.StatusPaymentRequired {
		err = fmt.Errorf("the simulator answered %d", status)
	}
	return err
}

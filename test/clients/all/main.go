// All makes one payment with the client that ogen generated from openapi.yaml. The backend creates a token, the page
// opens the payment, the customer pays at the simulated Stripe, and the backend reads the order until it is paid. The
// page opens the payment without the client, since ogen 1.24.0 does not generate createPayment (see ogen.yml).
//
//	all KASSE STRIPE
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ogen-go/ogen/ogenerrors"

	kasse "kasse/test/clients/all/generated/ogen"
)

// backend holds the service key.
type backend string

// ServiceKey returns the key.
func (b backend) ServiceKey(context.Context, kasse.OperationName) (kasse.ServiceKey, error) {
	return kasse.ServiceKey{Token: string(b)}, nil
}

// OrderTokenAuth returns no token, since a backend has none.
func (b backend) OrderTokenAuth(context.Context, kasse.OperationName) (kasse.OrderTokenAuth, error) {
	return kasse.OrderTokenAuth{}, ogenerrors.ErrSkipClientSecurity
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := pay(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ogen:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to cancel
	}
}

func pay(ctx context.Context, server, stripe string) error {
	client, err := kasse.NewClient(server, backend("ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"))
	if err != nil {
		return err
	}
	order := kasse.OrderID(fmt.Sprintf("ogen-%d", os.Getpid()))
	answer, err := client.MintOrderToken(ctx, &kasse.PaymentCreate{
		OrderID: kasse.NewNilOrderID(order), Amount: kasse.NewNilAmount(4200), Currency: kasse.NewNilCurrency("eur"),
	}, kasse.MintOrderTokenParams{})
	if err != nil {
		return err
	}
	minted, ok := answer.(*kasse.OrderTokenHeaders)
	if !ok {
		return fmt.Errorf("the request of a token was answered with %T", answer)
	}
	var opened struct {
		PaymentIntent string `json:"payment_intent"`
		ClientSecret  string `json:"client_secret"`
	}
	if err := post(ctx, server+"/v1/payments", minted.Response.Token, nil, &opened); err != nil {
		return err
	}
	form := url.Values{
		"client_secret": {opened.ClientSecret}, "payment_method": {"pm_card_visa"},
		"return_url": {"https://shop.example/thanks"},
	}
	confirm := stripe + "/v1/payment_intents/" + opened.PaymentIntent + "/confirm"
	if err := post(ctx, confirm, "pk_test_kasse_dev", form, nil); err != nil {
		return err
	}
	if err := until(ctx, client, order); err != nil {
		return err
	}
	unknown, err := client.GetOrder(ctx, kasse.GetOrderParams{OrderID: "unknown"})
	if problem, ok := unknown.(*kasse.NotFoundHeaders); err != nil || !ok || problem.Response.Code != "not_found" {
		return fmt.Errorf("an unknown order was answered with %v, %w", unknown, err)
	}
	fmt.Printf("ok  ogen: %s is paid\n", opened.PaymentIntent)
	return nil
}

// post sends a form, or an empty body.
func post(ctx context.Context, address, token string, form url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it is only read
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s answered with %s", address, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// until reads the order until it is paid.
func until(ctx context.Context, client *kasse.Client, order kasse.OrderID) error {
	for ctx.Err() == nil {
		answer, err := client.GetOrder(ctx, kasse.GetOrderParams{OrderID: order})
		if err != nil {
			return err
		}
		found, ok := answer.(*kasse.OrderHeaders)
		if !ok {
			return fmt.Errorf("the order was answered with %T", answer)
		}
		if !found.Response.Payment.Null && found.Response.Payment.Value.State == kasse.StatePaid {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return ctx.Err()
}

// All makes one payment, and reads its history with the client that ogen generated from openapi.yaml. The backend
// opens the payment, the customer pays at the simulated Stripe, and the backend reads the history until it ends with
// paid. The backend opens the payment without the client, since ogen 1.24.0 does not generate createPayment: see
// ogen.yml.
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

const key = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"

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
	client, err := kasse.NewClient(server, backend(key))
	if err != nil {
		return err
	}
	var opened struct {
		PaymentIntent kasse.PaymentID `json:"payment_intent"`
		ClientSecret  string          `json:"client_secret"`
	}
	terms := fmt.Sprintf(`{"order_id":"ogen-%d","amount":4200,"currency":"eur"}`, os.Getpid())
	if err := post(ctx, server+"/v1/payments", key, "application/json", terms, &opened); err != nil {
		return err
	}
	form := url.Values{
		"client_secret": {opened.ClientSecret}, "payment_method": {"pm_card_visa"},
		"return_url": {"https://shop.example/thanks"},
	}.Encode()
	confirm := stripe + "/v1/payment_intents/" + string(opened.PaymentIntent) + "/confirm"
	if err := post(ctx, confirm, "pk_test_kasse_dev", "application/x-www-form-urlencoded", form, nil); err != nil {
		return err
	}
	if err := until(ctx, client, opened.PaymentIntent, kasse.StatePaid); err != nil {
		return err
	}
	unknown, err := client.GetPaymentHistory(ctx, kasse.GetPaymentHistoryParams{PaymentIntent: "pi_unknown1234"})
	if problem, ok := unknown.(*kasse.NotFoundHeaders); err != nil || !ok || problem.Response.Code != "not_found" {
		return fmt.Errorf("an unknown payment was answered with %v, %w", unknown, err)
	}
	fmt.Printf("ok  ogen: %s is paid\n", opened.PaymentIntent)
	return nil
}

// post sends a request without the client, and decodes the response unless into is nil.
func post(ctx context.Context, address, token, contentType, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", contentType)
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

// until reads the payment's history until it ends with the wanted state.
func until(ctx context.Context, client *kasse.Client, payment kasse.PaymentID, wanted kasse.State) error {
	for ctx.Err() == nil {
		answer, err := client.GetPaymentHistory(ctx, kasse.GetPaymentHistoryParams{PaymentIntent: payment})
		if err != nil {
			return err
		}
		found, ok := answer.(*kasse.HistoryHeaders)
		if !ok {
			return fmt.Errorf("the history was answered with %T", answer)
		}
		if all := found.Response.History; len(all) > 0 && all[len(all)-1].To == wanted {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return ctx.Err()
}

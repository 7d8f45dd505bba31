// Pay makes one payment with the client that was generated from openapi.yaml. The backend opens it, the
// customer pays at the simulated Stripe, and the page polls with the client secret until it is paid.
//
//	pay KASSE STRIPE
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"kasse/test/clients/generated/kasse"
)

const key = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := pay(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "pay:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to cancel
	}
}

func pay(ctx context.Context, server, stripe string) error {
	backend, err := bearer(server, key)
	if err != nil {
		return err
	}
	opened, err := open(ctx, backend)
	if err != nil {
		return err
	}
	page, err := bearer(server, opened.ClientSecret)
	if err != nil {
		return err
	}
	if err := confirm(ctx, stripe, opened); err != nil {
		return err
	}
	if err := until(ctx, page, kasse.StatePaid, opened.PaymentIntent); err != nil {
		return err
	}
	unknown, err := backend.GetOrderWithResponse(ctx, "unknown")
	if err != nil || unknown.ApplicationproblemJSON404 == nil || unknown.ApplicationproblemJSON404.Code != "not_found" {
		return fmt.Errorf("an unknown order was answered with %v, %w", unknown, err)
	}
	fmt.Printf("ok  Go: %s is paid\n", opened.PaymentIntent)
	return nil
}

func bearer(server, token string) (*kasse.ClientWithResponses, error) {
	authorize := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
	return kasse.NewClientWithResponses(server, kasse.WithRequestEditorFn(authorize))
}

func open(ctx context.Context, backend *kasse.ClientWithResponses) (*kasse.OpenedPayment, error) {
	var body kasse.PaymentCreateBody
	terms := kasse.PaymentCreate{OrderId: fmt.Sprintf("go-%d", os.Getpid()), Amount: 4200, Currency: "eur"}
	if err := body.FromPaymentCreate(terms); err != nil {
		return nil, err
	}
	answer, err := backend.CreatePaymentWithResponse(ctx, nil, body)
	if err != nil {
		return nil, err
	}
	if answer.JSON201 == nil {
		return nil, fmt.Errorf("the create was answered with %s", answer.Status())
	}
	return answer.JSON201, nil
}

func confirm(ctx context.Context, stripe string, p *kasse.OpenedPayment) error {
	form := url.Values{
		"client_secret": {p.ClientSecret}, "payment_method": {"pm_card_visa"},
		"return_url": {"https://shop.example/thanks"},
	}
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, stripe+"/v1/payment_intents/"+p.PaymentIntent+"/confirm",
		strings.NewReader(form.Encode()),
	)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer pk_test_kasse_dev")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // nothing was written
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("Stripe answered with %s", answer.Status)
	}
	return nil
}

// until polls the status until the payment has the wanted state. Kasse delays each response but the first until a
// change.
func until(ctx context.Context, page *kasse.ClientWithResponses, wanted kasse.State, payment string) error {
	wait, params := 20, &kasse.GetPaymentParams{}
	for {
		answer, err := page.GetPaymentWithResponse(ctx, payment, params)
		if err != nil {
			return err
		}
		if answer.JSON200 != nil {
			view, err := answer.JSON200.AsPublicView()
			if err != nil || view.State == wanted {
				return err
			}
		} else if answer.StatusCode() != http.StatusNotModified {
			return errors.New("the poll was answered with " + answer.Status())
		}
		etag := answer.HTTPResponse.Header.Get("ETag")
		params = &kasse.GetPaymentParams{Wait: &wait, IfNoneMatch: &etag}
	}
}

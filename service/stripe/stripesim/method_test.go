package stripesim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// TestMethodsByNumber: a browser's form has card numbers, not ids. Stripe's test numbers behave like the test ids.
func TestMethodsByNumber(t *testing.T) {
	b := start(t, stripesim.Options{})
	for form, want := range map[string]string{
		"type=card&card[number]=4242 4242 4242 4242&card[exp_month]=4&card[exp_year]=2040&card[cvc]=314": "succeeded",
		"type=card&card[token]=tok_visa":          "succeeded",
		"type=card&card[number]=4000002760003184": "requires_action",
		"type=card&card[number]=4000000000009995": "insufficient_funds",
		"type=sepa_debit&sepa_debit[iban]=DE89370400440532013000&billing_details[name]=Jenny" +
			"&billing_details[email]=": "processing",
		"type=bancontact&billing_details[name]=Jenny&billing_details[address][country]=BE": "requires_action",
		"type=eps":  "requires_action",
		"type=link": "succeeded",
	} {
		t.Run(form, func(t *testing.T) {
			var data strings.Builder
			for pair := range strings.SplitSeq(form, "&") {
				name, value, _ := strings.Cut(pair, "=")
				head, rest, nested := strings.Cut(name, "[")
				if nested {
					rest = "[" + rest
				}
				data.WriteString("&payment_method_data[" + head + "]" + rest + "=" + value)
			}
			res, body := b.postForm(form, intents, terms+"&confirm=true&return_url=https://shop.example/"+data.String())
			contains(t, body, want)
			for _, problem := range answerErrors("POST", intents, res.StatusCode, []byte(body)) {
				t.Error(problem)
			}
			res, body = b.postForm("alone "+form, "/v1/payment_methods", form)
			for _, problem := range answerErrors("POST", "/v1/payment_methods", res.StatusCode, []byte(body)) {
				t.Error(problem)
			}
		})
	}
	for form, want := range map[string]string{
		"type=card&card[number]=4111111111111112": "incorrect_number", "type=card": "parameter_missing",
		"type=shells":                          `"param": "type"`,
		"type=sepa_debit&sepa_debit[iban]=DE1": "sepa_debit[iban]",
	} {
		_, body := b.postForm("wrong "+form, "/v1/payment_methods", form)
		contains(t, body, want)
	}
}

func TestBankTransfer(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	pi := b.open(func(p *stripe.PaymentIntentParams) {
		p.Currency, p.Customer, p.Confirm = new("jpy"), new(cu.ID), new(true)
		p.PaymentMethodTypes = stripe.StringSlice([]string{"customer_balance"})
		p.PaymentMethodData = &stripe.PaymentIntentPaymentMethodDataParams{Type: new("customer_balance")}
	})
	expect(t, "status", pi.Status, stripe.PaymentIntentStatusRequiresAction)
	for range 2 {
		b.postForm("", "/v1/test_helpers/customers/"+cu.ID+"/fund_cash_balance", "amount=1000&currency=jpy")
	}
	expect(t, "status", b.get(pi.ID).Status, stripe.PaymentIntentStatusSucceeded)
	wantEvents(t, b, "customer.created", "payment_intent.created", "payment_intent.requires_action",
		"payment_intent.partially_funded", "charge.succeeded",
		"payment_intent.succeeded")
}

func TestPreflight(t *testing.T) {
	b := start(t, stripesim.Options{})
	req := must(http.NewRequestWithContext(t.Context(), http.MethodOptions, b.url+intents, nil))(t)
	req.Header.Set("Access-Control-Request-Headers", "authorization")
	res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(t)
	_ = res.Body.Close()
	expect(t, "origin", res.Header.Get("Access-Control-Allow-Origin"), "*")
	expect(t, "headers", res.Header.Get("Access-Control-Allow-Headers"), "authorization")
}

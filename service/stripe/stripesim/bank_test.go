package stripesim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestBankPages(t *testing.T) {
	const failed = stripe.PaymentIntentStatusRequiresPaymentMethod
	for _, tt := range []struct {
		method, answer, redirect string
		end                      stripe.PaymentIntentStatus
		code                     stripe.ErrorCode
	}{
		{"pm_card_authenticationRequired", "success", "succeeded", stripe.PaymentIntentStatusSucceeded, ""},
		{
			"pm_card_authenticationRequired", "failure", "failed", failed,
			stripe.ErrorCodePaymentIntentAuthenticationFailure,
		},
		{
			"pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "success", "failed", failed,
			stripe.ErrorCodeCardDeclined,
		},
		{"pm_ideal", "success", "succeeded", stripe.PaymentIntentStatusSucceeded, ""},
		{"pm_ideal", "failure", "failed", failed, stripe.ErrorCodePaymentIntentAuthenticationFailure},
		{"pm_bancontact", "success", "succeeded", stripe.PaymentIntentStatusSucceeded, ""},
	} {
		t.Run(tt.method+" "+tt.answer, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			pi := must(b.api.PaymentIntents.Confirm(b.open().ID, confirmWith(tt.method)))(t)
			expect(t, "status", pi.Status, stripe.PaymentIntentStatusRequiresAction)
			back := visitBank(t, pi.NextAction.RedirectToURL.URL, tt.answer)
			expect(t, "shop", back.Host+back.Path, "shop.example/done")
			expect(t, "the shop's own query", back.Query().Get("order"), "7")
			expect(t, "payment_intent", back.Query().Get("payment_intent"), pi.ID)
			expect(t, "client secret", back.Query().Get("payment_intent_client_secret"), pi.ClientSecret)
			expect(t, "redirect_status", back.Query().Get("redirect_status"), tt.redirect)

			end := b.get(pi.ID)
			expect(t, "status", end.Status, tt.end)
			if tt.code != "" {
				expect(t, "code", end.LastPaymentError.Code, tt.code)
			}
			b.arrived()
		})
	}
}

// TestSofortIsOfOldPaymentsOnly: Stripe no longer offers Sofort. An earlier payment with it can still end and be read.
func TestSofortIsOfOldPaymentsOnly(t *testing.T) {
	b := start(t, stripesim.Options{Settle: time.Hour})
	pi := must(b.api.PaymentIntents.Confirm(b.open().ID, confirmWith("pm_ideal")))(t)
	if slices.Contains(pi.PaymentMethodTypes, "sofort") {
		t.Errorf("Sofort is offered: %v", pi.PaymentMethodTypes)
	}
	for i, form := range []string{
		terms + "&payment_method_types[]=sofort",
		terms + "&confirm=true&return_url=https://shop.example&payment_method=pm_sofort",
	} {
		if res, body := b.postForm(fmt.Sprint("sofort", i), intents, form); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got status %d, %s", form, res.StatusCode, body)
		}
	}
	if err := b.PayWith(pi.ID, "pm_sofort"); err != nil {
		t.Fatal(err)
	}
	back := visitBank(t, b.get(pi.ID).NextAction.RedirectToURL.URL, "success")
	expect(t, "redirect_status", back.Query().Get("redirect_status"), "pending")
	b.SettleAll()
	paid := b.get(pi.ID)
	expect(t, "status", paid.Status, stripe.PaymentIntentStatusSucceeded)
	expect(t, "method", paid.LatestCharge.PaymentMethodDetails.Type, "sofort")
	b.arrived()
}

// visitBank opens a bank's page, posts an answer, and returns the URL to which the bank sends the customer.
func visitBank(t *testing.T, page, answer string) *url.URL {
	t.Helper()
	bank := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	shown := must(bank.Get(page))(t)
	html := must(io.ReadAll(shown.Body))(t)
	_ = shown.Body.Close()
	if !strings.Contains(string(html), "20.00 eur") {
		t.Errorf("the page does not show the amount:\n%s", html)
	}
	left := must(bank.PostForm(page, url.Values{"outcome": {answer}}))(t)
	_ = left.Body.Close()
	expect(t, "http status", left.StatusCode, http.StatusSeeOther)
	again := must(bank.PostForm(page, url.Values{"outcome": {"success"}}))(t)
	_ = again.Body.Close()
	expect(t, "http status of a second answer", again.StatusCode, http.StatusGone)
	return must(left.Location())(t)
}

// TestPublishableKey: with the publishable key and a client secret a page can read and confirm its own payment, and do
// nothing else.
func TestPublishableKey(t *testing.T) {
	b := start(t, stripesim.Options{})
	page := sdk(b.url, publishableKey, http.DefaultTransport)
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.AddMetadata("order", "7") })
	secret := func(s string) *stripe.PaymentIntentParams {
		return &stripe.PaymentIntentParams{ClientSecret: new(s)}
	}

	seen := must(page.PaymentIntents.Get(pi.ID, secret(pi.ClientSecret)))(t)
	expect(t, "metadata shown", len(seen.Metadata), 0)
	_, err := page.PaymentIntents.Get(pi.ID, secret(pi.ClientSecret+"x"))
	expect(t, "http status with a wrong secret", refusal(t, err).HTTPStatusCode, 400)
	_, err = page.PaymentIntents.Get(pi.ID, nil)
	expect(t, "code without one", refusal(t, err).Code, stripe.ErrorCodeParameterMissing)
	_, err = page.PaymentIntents.Cancel(pi.ID, nil)
	expect(t, "code of a cancel", refusal(t, err).Code, stripe.ErrorCodeSecretKeyRequired)

	confirm := confirmWith("pm_card_visa")
	confirm.AddExtra("client_secret", pi.ClientSecret)
	expect(
		t, "status", must(page.PaymentIntents.Confirm(pi.ID, confirm))(t).Status,
		stripe.PaymentIntentStatusSucceeded,
	)
}

func TestKeys(t *testing.T) {
	b := start(t, stripesim.Options{})
	for key, want := range map[string]int{
		"": 401, "sk_live_1234567890": 401, "nonsense": 401, "rk_test_1": 200,
		secretKey: 200, publishableKey: 403,
	} {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/account", nil))(t)
		if key != "" {
			req.SetBasicAuth(key, "")
		}
		res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(t)
		body := must(io.ReadAll(res.Body))(t)
		_ = res.Body.Close()
		expect(t, "http status with "+key, res.StatusCode, want)
		if key == "sk_live_1234567890" && strings.Contains(string(body), key) {
			t.Error("the error repeats the key")
		}
	}
}

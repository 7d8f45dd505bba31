package stripesim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestServesStripeJS(t *testing.T) {
	b := start(t, stripesim.Options{})
	page := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/v3/", "/endive/stripe.js"} {
		res := must(page.Get(b.url + path))(t)
		script := must(io.ReadAll(res.Body))(t)
		_ = res.Body.Close()
		expect(t, "http status", res.StatusCode, http.StatusOK)
		expect(t, "type", res.Header.Get("Content-Type"), "text/javascript; charset=utf-8")
		if !strings.Contains(string(script), "window.Stripe = function Stripe(") ||
			!strings.Contains(string(script), ":host {") {
			t.Errorf("%s lacks the constructor or the styles", path)
		}
	}
}

// TestChallengeInThePage: if Stripe.js confirms a card that requires 3D Secure, the challenge is shown in the
// page. A bank's page is always a redirect.
func TestChallengeInThePage(t *testing.T) {
	b := start(t, stripesim.Options{})
	for method, want := range map[string]string{
		"pm_card_threeDSecureRequired": "use_stripe_sdk",
		"pm_ideal":                     "redirect_to_url",
	} {
		pi := b.open()
		confirm := confirmWith(method)
		confirm.UseStripeSDK = new(true)
		confirmed := must(b.api.PaymentIntents.Confirm(pi.ID, confirm))(t)
		expect(t, method, string(confirmed.NextAction.Type), want)
		if want != "use_stripe_sdk" {
			continue
		}
		var shown struct {
			NextAction struct {
				UseStripeSDK struct {
					StripeJS string `json:"stripe_js"`
				} `json:"use_stripe_sdk"`
			} `json:"next_action"`
		}
		if err := json.Unmarshal(confirmed.LastResponse.RawJSON, &shown); err != nil {
			t.Fatal(err)
		}
		page := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		left := must(page.PostForm(shown.NextAction.UseStripeSDK.StripeJS, url.Values{"outcome": {"success"}}))(t)
		text := must(io.ReadAll(left.Body))(t)
		_ = left.Body.Close()
		expect(t, "http status", left.StatusCode, http.StatusOK)
		if !strings.Contains(string(text), "parent.postMessage(") || strings.Contains(string(text), pi.ClientSecret) {
			t.Errorf("the page in the frame is %s", text)
		}
		expect(t, "status", b.get(pi.ID).Status, stripe.PaymentIntentStatusSucceeded)
	}
}

// TestSavedRedirect: a bank redirect is saved as a SEPA debit, or not at all if it has no account.
func TestSavedRedirect(t *testing.T) {
	b := start(t, stripesim.Options{})
	for method, want := range map[string]int{"pm_ideal": 1, "pm_bancontact": 1, "pm_eps": 0} {
		owner := b.customer()
		pi := b.open(func(p *stripe.PaymentIntentParams) {
			p.Customer, p.SetupFutureUsage = new(owner.ID), new("off_session")
		})
		must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith(method)))(t)
		if err := b.Authenticate(pi.ID, true); err != nil {
			t.Fatal(err)
		}
		saved := b.api.Customers.ListPaymentMethods(&stripe.CustomerListPaymentMethodsParams{
			Customer: new(owner.ID),
			Type:     new("sepa_debit"),
		})
		count := 0
		for saved.Next() {
			count++
		}
		expect(t, "saved of "+method, count, want)
	}
}

// TestRemovalByThePage: a page removes a saved method with its redeemed session, if the session allows it and
// the method belongs to the same customer.
func TestRemovalByThePage(t *testing.T) {
	b := start(t, stripesim.Options{})
	owner, other := b.customer(), b.customer()
	mine := must(b.SaveMethod(owner.ID, "pm_card_visa", "always"))(t)
	foreign := must(b.SaveMethod(other.ID, "pm_card_visa", "always"))(t)
	open := func(removal string) string {
		p := sessionParams(owner.ID)
		p.Components.PaymentElement.Features.PaymentMethodRemove = new(removal)
		return must(b.api.CustomerSessions.New(p))(t).ClientSecret
	}
	remove := func(secret, method string) int {
		page := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		form := url.Values{"customer_session_client_secret": {secret}}
		res := must(page.PostForm(b.url+"/v1/elements/payment_methods/"+method+"/detach?key="+publishableKey, form))(t)
		_ = res.Body.Close()
		return res.StatusCode
	}
	forbidden, allowed, late := open("disabled"), open("enabled"), open("enabled")
	expect(t, "http status before the session was redeemed", remove(allowed, mine), http.StatusBadRequest)
	for _, secret := range []string{forbidden, allowed, late} {
		b.redeem(secret)
	}
	expect(t, "http status if the session does not allow it", remove(forbidden, mine), http.StatusBadRequest)
	expect(t, "http status of another customer's method", remove(allowed, foreign), http.StatusNotFound)
	expect(t, "http status", remove(allowed, mine), http.StatusOK)
	expect(t, "owner", must(b.api.PaymentMethods.Get(mine, nil))(t).Customer == nil, true)
	b.Advance(time.Hour)
	expect(t, "http status after an hour", remove(late, foreign), http.StatusBadRequest)
}

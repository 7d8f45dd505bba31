package stripesim_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// customer creates a customer.
func (b *bench) customer() *stripe.Customer {
	b.t.Helper()
	return must(b.api.Customers.New(&stripe.CustomerParams{Email: new("jenny@example.com")}))(b.t)
}

func TestCustomers(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	expect(t, "name", must(b.api.Customers.Update(cu.ID, &stripe.CustomerParams{Name: new("Jenny")}))(t).Name, "Jenny")
	expect(t, "email", must(b.api.Customers.Get(cu.ID, nil))(t).Email, "jenny@example.com")
	expect(t, "deleted", must(b.api.Customers.Del(cu.ID, nil))(t).Deleted, true)
	_, err := b.api.Customers.Get(cu.ID, nil)
	expect(t, "http status", refusal(t, err).HTTPStatusCode, 404)
	wantEvents(t, b, "customer.created", "customer.updated", "customer.deleted")
}

func TestSavedMethods(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	pm := must(b.api.PaymentMethods.Attach("pm_card_visa", &stripe.PaymentMethodAttachParams{Customer: new(cu.ID)}))(t)
	must(b.SaveMethod(cu.ID, "pm_sepaDebit", "always"))(t)
	_, err := b.api.PaymentMethods.Attach("pm_card_chargeDeclined",
		&stripe.PaymentMethodAttachParams{Customer: new(cu.ID)})
	expect(t, "http status of a bad card", refusal(t, err).HTTPStatusCode, 402)

	all := b.api.PaymentMethods.List(&stripe.PaymentMethodListParams{Customer: new(cu.ID)})
	for all.Next() {
	}
	expect(t, "saved", len(all.PaymentMethodList().Data), 2)
	cards := b.api.Customers.ListPaymentMethods(&stripe.CustomerListPaymentMethodsParams{
		Customer: new(cu.ID),
		Type:     new("card"),
	})
	for cards.Next() {
		expect(t, "the card", cards.PaymentMethod().ID, pm.ID)
	}
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.Customer = new(cu.ID) })
	expect(t, "status", must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith(pm.ID)))(t).Status,
		stripe.PaymentIntentStatusSucceeded)
	_, err = b.api.PaymentIntents.Confirm(b.open().ID, confirmWith(pm.ID))
	expect(t, "param of another customer's method", refusal(t, err).Param, "payment_method")
	must(b.api.PaymentMethods.Detach(pm.ID, nil))(t)
}

func TestSetupFutureUsageSavesTheMethod(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	pi := b.open(func(p *stripe.PaymentIntentParams) {
		p.Customer, p.SetupFutureUsage = new(cu.ID), new("off_session")
	})
	paid := must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(t)
	expect(t, "owner", must(b.api.PaymentMethods.Get(paid.PaymentMethod.ID, nil))(t).Customer.ID, cu.ID)
}

// sessionParams returns the parameters of a session that shows and saves payment methods.
func sessionParams(customer string) *stripe.CustomerSessionParams {
	element := &stripe.CustomerSessionComponentsPaymentElementParams{
		Enabled: new(true),
		Features: &stripe.CustomerSessionComponentsPaymentElementFeaturesParams{
			PaymentMethodAllowRedisplayFilters: stripe.StringSlice([]string{"always", "limited"}),
			PaymentMethodRedisplay:             new("enabled"),
			PaymentMethodRedisplayLimit:        stripe.Int64(1),
			PaymentMethodRemove:                new("disabled"),
			PaymentMethodSave:                  new("enabled"),
			PaymentMethodSaveUsage:             new("on_session"),
		},
	}
	return &stripe.CustomerSessionParams{
		Customer: new(customer), Components: &stripe.CustomerSessionComponentsParams{PaymentElement: element},
	}
}

func TestCustomerSession(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	must(b.SaveMethod(cu.ID, "pm_card_visa", "limited"))(t)
	newest := must(b.SaveMethod(cu.ID, "pm_card_mastercard", "always"))(t)
	must(b.SaveMethod(cu.ID, "pm_card_amex", "unspecified"))(t)
	session := must(b.api.CustomerSessions.New(sessionParams(cu.ID)))(t)
	expect(t, "minutes", (session.ExpiresAt-session.Created)/60, 30)

	status, shown := b.redeem(session.ClientSecret)
	expect(t, "http status", status, http.StatusOK)
	if diff := cmp.Diff([]string{newest}, shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	again, _ := b.redeem(session.ClientSecret)
	expect(t, "http status of a second use", again, http.StatusBadRequest)
	late := must(b.api.CustomerSessions.New(sessionParams(cu.ID)))(t)
	b.Advance(time.Hour)
	expired, _ := b.redeem(late.ClientSecret)
	expect(t, "http status after an hour", expired, http.StatusBadRequest)

	wrong := sessionParams(cu.ID)
	wrong.Components.PaymentElement.Features.PaymentMethodSaveUsage = nil
	_, err := b.api.CustomerSessions.New(wrong)
	expect(t, "code", refusal(t, err).Code, stripe.ErrorCodeParameterMissing)
}

// redeem exchanges a session's client secret for the shown payment methods, as a page does.
func (b *bench) redeem(secret string) (status int, shown []string) {
	b.t.Helper()
	page := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res := must(page.PostForm(b.url+"/v1/elements/sessions?key="+publishableKey,
		url.Values{"customer_session_client_secret": {secret}}))(b.t)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Methods []struct{ ID string } `json:"payment_methods"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		b.t.Fatal(err)
	}
	for _, m := range answer.Methods {
		shown = append(shown, m.ID)
	}
	return res.StatusCode, shown
}

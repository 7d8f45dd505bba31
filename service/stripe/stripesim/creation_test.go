package stripesim_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

func TestShippingAndConfiguration(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open(func(p *stripe.PaymentIntentParams) {
		p.PaymentMethodConfiguration = new("pmc_1shop")
		p.Shipping = &stripe.ShippingDetailsParams{
			Name: new("Ada"), Address: &stripe.AddressParams{Line1: new("Hauptstr. 1"), Country: new("DE")},
			TrackingNumber: new("7"),
		}
	})
	expect(t, "configuration", pi.PaymentMethodConfigurationDetails.ID, "pmc_1shop")
	want := &stripe.ShippingDetails{
		Name: "Ada", Address: &stripe.Address{Line1: "Hauptstr. 1", Country: "DE"},
		TrackingNumber: "7",
	}
	got := b.get(pi.ID).Shipping
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shipping (-want +got):\n%s", diff)
	}
	must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa")))(t)
	if diff := cmp.Diff(want, b.get(pi.ID).LatestCharge.Shipping); diff != "" {
		t.Errorf("shipping of the charge (-want +got):\n%s", diff)
	}
}

// TestChargeIsUpdated: charge.updated shows a changed receipt. An update of the charge by its endpoint sends one too.
func TestChargeIsUpdated(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	if err := b.UpdateCharge(pi.ID, "https://pay.stripe.com/receipts/2"); err != nil {
		t.Fatal(err)
	}
	expect(t, "receipt", b.get(pi.ID).LatestCharge.ReceiptURL, "https://pay.stripe.com/receipts/2")
	b.form("POST", "/v1/charges/"+pi.LatestCharge.ID, url.Values{"description": {"Order 7"}, "metadata[order]": {"7"}})
	expect(t, "description", b.get(pi.ID).LatestCharge.Description, "Order 7")
	wantEvents(t, b, "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated",
		"charge.updated")
}

// TestRedisplayedTypes: only the types that the Payment Element shows again are listed.
func TestRedisplayedTypes(t *testing.T) {
	b := start(t, stripesim.Options{})
	cu := b.customer()
	for _, method := range []string{
		"pm_card_visa", "pm_link", "pm_sepaDebit", "pm_usBankAccount_success", "pm_oxxo",
		"pm_boleto",
	} {
		must(b.SaveMethod(cu.ID, method, "always"))(t)
	}
	p := sessionParams(cu.ID)
	p.Components.PaymentElement.Features.PaymentMethodRedisplayLimit = stripe.Int64(10)
	status, shown := b.redeem(must(b.api.CustomerSessions.New(p))(t).ClientSecret)
	expect(t, "http status", status, 200)
	expect(t, "shown", len(shown), 4)
}

package stripe

import (
	"net/url"
	"testing"

	"kasse/service/payment"
)

// TestFormOfShipping: shipping and the payment method configuration are sent if they are given, and otherwise
// left out.
func TestFormOfShipping(t *testing.T) {
	g := verifier()
	form := func(r payment.CreateRequest) url.Values {
		values, err := url.ParseQuery(g.PaymentForm(r, payment.Terms{Amount: 1, Currency: "eur"}, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	got := form(payment.CreateRequest{MethodConfiguration: "pmc_1", Shipping: &payment.Shipping{
		Name: "Ada", Phone: "+44", Address: payment.Address{
			Line1: "1 Row", City: "London", PostalCode: "N1", Country: "GB",
		},
	}})
	for name, want := range map[string]string{
		"payment_method_configuration": "pmc_1", "shipping[name]": "Ada", "shipping[phone]": "+44",
		"shipping[address][line1]": "1 Row", "shipping[address][city]": "London",
		"shipping[address][postal_code]": "N1", "shipping[address][country]": "GB",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
	for _, name := range []string{"shipping[carrier]", "shipping[tracking_number]", "shipping[address][line2]"} {
		if got.Has(name) {
			t.Errorf("%s is sent", name)
		}
	}
	without := form(payment.CreateRequest{})
	if without.Has("shipping[name]") || without.Has("payment_method_configuration") {
		t.Errorf("members that were not given are sent: %v", without)
	}
}

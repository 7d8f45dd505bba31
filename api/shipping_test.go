package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestShipping: a create's shipping address reaches Stripe, and a mistake in it has a pointer.
func TestShipping(t *testing.T) {
	w := newEnv(t)
	create := func(members string, bad bool) reply {
		return w.send(request{line: createLine, token: fullKey, body: with(members), bad: bad})
	}
	for members, where := range map[string]string{
		`"shipping":{}`:             `/shipping/name`,
		`"shipping":{"name":"Ada"}`: `/shipping/address/line1`,
		`"shipping":{"name":"Ada","address":{"line1":"1 Row","country":"gb"}}`:  `/shipping/address/country`,
		`"shipping":{"name":"Ada","address":{"line1":"1 Row","planet":"Mars"}}`: `/shipping/address/planet`,
		`"shipping":[]`:                         `/shipping`,
		`"payment_method_configuration":"pm_1"`: `/payment_method_configuration`,
	} {
		answer := create(members, true).says(t, http.StatusBadRequest, "invalid_request")
		if !strings.Contains(answer.body, `"pointer":"`+where+`"`) {
			t.Errorf("%s: %s", members, answer.body)
		}
	}
	var made opened
	create(
		`"shipping":{"name":"Ada","address":{"line1":"1 Row","country":"GB"},"phone":null},`+
			`"payment_method_configuration":"pmc_1"`,
		false,
	).
		into(t, http.StatusCreated, &made)
	r := httptest.NewRequestWithContext(
		t.Context(), http.MethodGet, "/v1/payment_intents/"+made.PaymentIntent, http.NoBody,
	)
	r.Header.Set("Authorization", "Bearer sk_test_kasse")
	seen := httptest.NewRecorder()
	w.stripe.ServeHTTP(seen, r)
	if body := seen.Body.String(); !strings.Contains(body, `"1 Row"`) || !strings.Contains(body, `"pmc_1"`) {
		t.Errorf("at Stripe: %s", body)
	}
}

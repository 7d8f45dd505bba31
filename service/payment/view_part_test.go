package payment

import "testing"

// TestPartsGoByNames: a member that the structs of a reader do not have is hidden, at any position.
func TestPartsGoByNames(t *testing.T) {
	const view = `{"later":{"a":["}",",\"version\":9"]},"version":2,"review":{"id":"prv_1"},"customer":"cus_1",` +
		`"payment_intent":"pi_1","failure":null}`
	for _, tt := range []struct{ got, want string }{
		{string(PublicPart([]byte(view))), `{"version":2,"payment_intent":"pi_1","failure":null}`},
		{string(TokenPart([]byte(view))), `{"version":2,"customer":"cus_1","payment_intent":"pi_1","failure":null}`},
		{string(PublicPart([]byte(`{}`))), `{}`},
		{string(CustomerOf([]byte(view))), "cus_1"},
		{string(CustomerOf([]byte(`{"customer":null}`))), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

package api_test

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	"kasse/api"
	"kasse/service"
)

// credential is a caller's credential in the matrix.
type credential struct {
	name   string
	header string // Authorization; empty: none
	scheme string // of openapi.yaml; empty: it is none, and refused with the code
	code   string
	scopes []service.Scope // of a service key
	order  string          // that a token or a client secret is for
	reads  bool            // a token without terms

	customer string // that a token is for; empty: a guest
	anyone   bool   // a token that only reads and names no customer
	payment  string // that a client secret is for
}

// target is a payment that requests of the matrix are about, with its order and the customer who pays it.
type target struct{ order, payment, customer string }

// matrixKeys are a service key for each scope, and one with all of them.
func matrixKeys() (all []credential, keys []api.Key) {
	scopes := service.Scopes
	sets := map[string][]service.Scope{"all": scopes}
	for _, scope := range scopes {
		sets[string(scope)] = []service.Scope{scope}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		key := "ksk_" + strings.Repeat(name+"_", 12)
		keys = append(keys, newKey(name, key, sets[name]...))
		all = append(
			all,
			credential{name: "service key " + name, header: "Bearer " + key, scheme: byKey, scopes: sets[name]},
		)
	}
	return all, keys
}

// credentials are all kinds: those that are valid, for the targets of shop-1 and of shop-2, and those that are none.
func (w *apiEnv) credentials(present, former, other opened, customers ...string) []credential {
	token := func(changed claims) string { return "Bearer " + w.token(changed) }
	reader := func(customer any) string {
		return token(claims{"customer": customer, "amount": nil, "currency": nil})
	}
	now := w.now.Unix()
	forged := "Bearer " + sign(w.t, goodHeader, encode(w.t, w.claims(nil)), oldSecret, sha256.New)
	is, was := customers[0], customers[1]
	return []credential{
		{
			name: "the present customer's token", header: token(claims{"customer": is}), scheme: byToken,
			order: "shop-1", customer: is,
		},
		{
			name: "the present customer's token, reads only", header: reader(is), scheme: byToken, order: "shop-1",
			reads: true, customer: is,
		},
		{
			name: "the former customer's token", header: token(claims{"customer": was, "rev": 1}), scheme: byToken,
			order: "shop-1", customer: was,
		},
		{
			name: "the former customer's token, reads only", header: reader(was), scheme: byToken, order: "shop-1",
			reads: true, customer: was,
		},
		{name: "a guest's token", header: token(claims{"rev": 1}), scheme: byToken, order: "shop-1"},
		{
			name: "a token for no customer, reads only", header: reader(nil), scheme: byToken, order: "shop-1",
			reads: true, anyone: true,
		},
		{
			name: "order token of another order", header: token(claims{"order_id": "shop-2"}), scheme: byToken,
			order: "shop-2",
		},
		{
			name: "the present customer's client secret", header: "Bearer " + present.ClientSecret,
			scheme: bySecret, order: "shop-1", payment: present.PaymentIntent,
		},
		{
			name: "the former customer's client secret", header: "Bearer " + former.ClientSecret, scheme: bySecret,
			order: "shop-1", payment: former.PaymentIntent,
		},
		{
			name: "client secret of another order", header: "Bearer " + other.ClientSecret, scheme: bySecret,
			order: "shop-2", payment: other.PaymentIntent,
		},
		{name: "nothing", code: "unauthenticated"},
		{name: "unknown service key", header: "Bearer " + unknownKey, code: "unauthenticated"},
		{name: "expired order token", header: token(claims{"iat": now - 600, "exp": now - 1}), code: "token_expired"},
		{name: "forged order token", header: forged, code: "unauthenticated"},
		{name: "token without an order", header: token(claims{"order_id": nil}), code: "unauthenticated"},
		{name: "Basic", header: "Basic a2Fzc2U6aHVudGVyMg==", code: "unauthenticated"},
		{name: "Stripe's key", header: "Bearer sk_test_kasse", code: "unauthenticated"},
	}
}

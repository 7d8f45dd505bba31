package app

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"kasse/api"
	"kasse/service"
	"kasse/service/payment"
)

const tokenSecretShape = "must be kid:base64 entries, separated by commas, each secret 32 bytes or more (openssl " +
	"rand -base64 32)"

// tokenSecrets parses ORDER_TOKEN_SECRETS, which may be empty.
func (m *mistakes) tokenSecrets(list string) []api.TokenSecret {
	var secrets []api.TokenSecret
	for entry := range strings.SplitSeq(list, ",") {
		if entry = trim(entry); entry == "" && list == "" {
			return nil
		}
		kid, encoded, _ := strings.Cut(entry, ":")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !tokenKID.MatchString(kid) || err != nil || len(key) < 32 {
			m.add("ORDER_TOKEN_SECRETS", tokenSecretShape)
			return nil
		}
		if slices.ContainsFunc(secrets, func(s api.TokenSecret) bool { return s.KID == kid }) {
			m.add("ORDER_TOKEN_SECRETS", "has two entries with the same kid")
		}
		secrets = append(secrets, api.TokenSecret{KID: kid, Key: payment.Secret(key)})
	}
	return secrets
}

// stripeKeys checks that the keys are Stripe's and of one mode, and that a live key is used only with Stripe
// itself.
func (m *mistakes) stripeKeys(c Config) {
	if !secretKey.MatchString(c.StripeSecretKey.Reveal()) {
		m.required("STRIPE_SECRET_KEY", c.StripeSecretKey.Reveal(),
			"must be a Stripe key that begins with sk_test_, sk_live_, rk_test_ or rk_live_")
	}
	if !publishableKey.MatchString(c.StripePublishableKey) {
		m.required("STRIPE_PUBLISHABLE_KEY", c.StripePublishableKey,
			"must be a Stripe key that begins with pk_test_ or pk_live_")
	}
	if c.Livemode() != strings.HasPrefix(c.StripePublishableKey, "pk_live_") {
		m.add("STRIPE_PUBLISHABLE_KEY", "and STRIPE_SECRET_KEY must both be live or both be test keys")
	}
	base, err := url.Parse(c.StripeAPIBase)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		m.add("STRIPE_API_BASE", "must be an http or https URL")
	}
	if c.Livemode() && c.StripeAPIBase != "https://api.stripe.com" {
		m.add("STRIPE_API_BASE", "must be https://api.stripe.com with a live key")
	}
}

func (m *mistakes) webhookSecrets(list string) []payment.Secret {
	var secrets []payment.Secret
	for secret := range strings.SplitSeq(list, ",") {
		if !webhookSecret.MatchString(trim(secret)) {
			m.required("STRIPE_WEBHOOK_SECRETS", list,
				"must be one or more signing secrets that begin with whsec_, separated by commas")
			return nil
		}
		secrets = append(secrets, payment.Secret(trim(secret)))
	}
	return secrets
}

// readRPS parses STRIPE_READ_RPS. The default is 10 with live keys and 5 with test keys, whose limits at
// Stripe are lower.
func (m *mistakes) readRPS(value string, live bool) int {
	switch {
	case trim(value) != "":
		return m.number("STRIPE_READ_RPS", value, 1, 100)
	case live:
		return 10
	}
	return 5
}

const serviceKeyShape = "must be name:sha256hex:scope+scope entries, separated by commas (kasse keygen prints one)"

// serviceKeys parses SERVICE_KEYS. A name may have several keys, so that one can be rotated without a pause.
// Limits and the idempotency of refunds use the name.
func (m *mistakes) serviceKeys(list string) []api.Key {
	var keys []api.Key
	for entry := range strings.SplitSeq(list, ",") {
		key, ok := parseServiceKey(trim(entry))
		if !ok {
			m.required("SERVICE_KEYS", list, serviceKeyShape)
			return nil
		}
		if slices.ContainsFunc(keys, func(k api.Key) bool { return k.Hash == key.Hash }) {
			m.add("SERVICE_KEYS", "has the same hash twice: each key has one entry; a name may have several keys")
		}
		keys = append(keys, key)
	}
	return keys
}

func parseServiceKey(entry string) (api.Key, bool) {
	parts := strings.Split(entry, ":")
	if len(parts) != 3 || !serviceName.MatchString(parts[0]) || parts[1] != strings.ToLower(parts[1]) {
		return api.Key{}, false
	}
	key := api.Key{Name: parts[0]}
	hash, err := hex.DecodeString(parts[1])
	if err != nil || len(hash) != sha256.Size {
		return key, false
	}
	copy(key.Hash[:], hash)
	for text := range strings.SplitSeq(parts[2], "+") {
		scope := service.Scope(text)
		if !scope.Valid() {
			return key, false
		}
		key.Scopes = append(key.Scopes, scope)
	}
	return key, true
}

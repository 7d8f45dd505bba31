package app

import (
	"net/netip"
	"net/url"

	"kasse/api"
)

// issuerKeys parses the key set URL of the shop's issuer. Without TLS an attacker on the network could insert
// their own key and set the price of every order.
func (m *mistakes) issuerKeys(keysURL, issuer string) string {
	keysURL, issuer = trim(keysURL), trim(issuer)
	if (keysURL == "") != (issuer == "") {
		m.add("ORDER_TOKEN_JWKS_URL", "and ORDER_TOKEN_ISSUER are needed together")
	}
	if keysURL == "" {
		return ""
	}
	parsed, err := url.Parse(keysURL)
	if err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.Fragment != "" ||
		(parsed.Scheme != "https" && (parsed.Scheme != "http" || !isLoopback(parsed.Hostname()))) {
		m.add("ORDER_TOKEN_JWKS_URL", "must be an https URL without user and fragment, or http on a loopback address")
	}
	return keysURL
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// orderTokens returns the verifier of order tokens, with the issuer's keys if there are any.
func (a *App) orderTokens() api.Tokens {
	tokens := a.OrderTokens
	if a.issuer != nil { // a nil pointer in the interface would not equal nil
		tokens.Keys = a.issuer
	}
	return tokens
}

package app

import (
	"net/netip"
	"net/url"

	"kasse/api"
)

// issuerKeys reads where the keys of the shop's own issuer are. Without TLS an attacker on the network could insert
// a key of their own, and name the price of every order.
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

// orderTokens are the tokens of the configuration, with the keys of the issuer where there is one.
func (a *App) orderTokens() api.Tokens {
	tokens := a.OrderTokens
	if a.issuer != nil { // a nil pointer in the interface would be keys
		tokens.Keys = a.issuer
	}
	return tokens
}

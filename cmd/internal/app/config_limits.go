package app

import (
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/api"
)

// limits parses the rate limits. The counter and the clock are set later.
func (m *mistakes) limits(e environment) api.Limits {
	return api.Limits{
		Service:  m.rate("RATE_LIMIT_SERVICE", e.RateLimitService),
		Frontend: m.rate("RATE_LIMIT_FRONTEND", e.RateLimitFrontend),
		Stripe:   m.rate("RATE_LIMIT_FRONTEND_STRIPE", e.RateLimitStripe),
		Address:  m.rate("RATE_LIMIT_ADDRESS", e.RateLimitAddress),
	}
}

var (
	rate    = regexp.MustCompile(`^([1-9][0-9]{0,5})/([smh])$`)
	periods = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
)

func (m *mistakes) rate(variable, value string) api.Limit {
	if trim(value) == "off" {
		return api.Limit{}
	}
	parts := rate.FindStringSubmatch(trim(value))
	if parts == nil {
		m.add(variable, "must be N/s, N/m or N/h with N from 1 to 999999, or off")
		return api.Limit{}
	}
	count, _ := strconv.Atoi(parts[1]) // the pattern has checked it
	return api.Limit{Count: count, Per: periods[parts[2]]}
}

// proxies parses TRUSTED_PROXIES. A prefix that covers all addresses is refused, since callers could choose
// their address.
func (m *mistakes) proxies(list string) []netip.Prefix {
	const shape = "must be CIDRs of your proxies, separated by commas, such as 10.0.0.0/8"
	var proxies []netip.Prefix
	for entry := range entries(list) {
		prefix, err := netip.ParsePrefix(entry)
		switch {
		case err != nil || prefix.Addr().Is4In6():
			m.add("TRUSTED_PROXIES", shape)
			return nil
		case prefix.Bits() == 0:
			m.add("TRUSTED_PROXIES", "must not contain every address: callers could then choose their own")
			return nil
		}
		proxies = append(proxies, prefix)
	}
	return proxies
}

// origin matches an origin as browsers send it: lower case, no path, and a port only if it is not the
// scheme's default. Hybrid apps have their own schemes.
var origin = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$`)

// origins parses CORS_ALLOWED_ORIGINS. Patterns are refused, since they also match look-alikes.
func (m *mistakes) origins(list string) []string {
	const shape = "must be exact origins as browsers send them, separated by commas, such as " +
		"https://www.example.com: lower case, no *, no path, no slash at the end, no :443 or :80"
	var origins []string
	for entry := range entries(list) {
		ownPort := strings.HasPrefix(entry, "https://") && strings.HasSuffix(entry, ":443") ||
			strings.HasPrefix(entry, "http://") && strings.HasSuffix(entry, ":80")
		if !origin.MatchString(entry) || ownPort {
			m.add("CORS_ALLOWED_ORIGINS", shape)
			return nil
		}
		if !slices.Contains(origins, entry) {
			origins = append(origins, entry)
		}
	}
	return origins
}

// entries yields the parts of a list. An empty list has none. An empty part is yielded and refused later.
func entries(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if trim(list) == "" {
			return
		}
		for entry := range strings.SplitSeq(list, ",") {
			if !yield(trim(entry)) {
				return
			}
		}
	}
}

package app

import (
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
)

// endpoints parses EVENT_ENDPOINTS, which may be empty. An entry is URL=whsec_a|whsec_b. It may end with
// #order.paid+order.refunded, the types that the endpoint wants. The first "=whsec_" separates URL and
// secrets, since a URL may contain "=". A comma in the URL is written as %2C.
func (m *mistakes) endpoints(list string, allowPrivate bool) []*push.Endpoint {
	const variable = "EVENT_ENDPOINTS"
	var all []*push.Endpoint
	for entry := range entries(list) {
		address, rest, _ := strings.Cut(entry, "=whsec_")
		secrets, types, filtered := strings.Cut(rest, "#") // base64 has no #
		o := push.Options{URL: payment.Secret(address), AllowPrivate: allowPrivate, Now: time.Now}
		if filtered {
			o.Types = strings.Split(types, "+")
		}
		for secret := range strings.SplitSeq("whsec_"+secrets, "|") {
			o.Secrets = append(o.Secrets, payment.Secret(trim(secret)))
		}
		e, err := push.New(o)
		if err != nil {
			m.add(variable, "must be URL=whsec_a|whsec_b#type+type entries, separated by commas: %s", err)
			return nil
		}
		if slices.ContainsFunc(all, func(other *push.Endpoint) bool { return other.ID() == e.ID() }) {
			m.add(variable, "has two entries with the same URL")
		}
		all = append(all, e)
	}
	push.Number(all)
	return all
}

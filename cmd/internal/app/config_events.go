package app

import (
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/service/push"
)

// endpoints reads where events are pushed to; none is fine. An entry is URL=whsec_a|whsec_b, and
// ends with #order.paid+order.refunded where the endpoint wants some types only. A URL may have an
// "=" of its own, so that the first "=whsec_" divides. It writes its commas as %2C.
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
			m.add(variable, "has two entries of one URL")
		}
		all = append(all, e)
	}
	push.Number(all)
	return all
}

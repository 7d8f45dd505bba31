package app

import (
	"slices"
	"strings"
	"time"

	"kasse/service"
	"kasse/service/push"
)

// endpoints reads where events are pushed to; none is fine. A URL may have an "=" of its own, so that the first "=whsec_"
// divides, and writes its commas as %2C.
func (m *mistakes) endpoints(list string, allowPrivate bool) []*push.Endpoint {
	const variable = "EVENT_ENDPOINTS"
	var all []*push.Endpoint
	for entry := range entries(list) {
		address, secrets, _ := strings.Cut(entry, "=whsec_")
		o := push.Options{URL: service.Secret(address), AllowPrivate: allowPrivate, Now: time.Now}
		for secret := range strings.SplitSeq("whsec_"+secrets, "|") {
			o.Secrets = append(o.Secrets, service.Secret(trim(secret)))
		}
		e, err := push.New(o)
		if err != nil {
			m.add(variable, "must be URL=whsec_a|whsec_b entries, separated by commas: %s", err)
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

package app

import (
	"bytes"
	"strings"
	"testing"

	"kasse/service/stripe"
)

// TestCheckOfDetailEvents: an endpoint without the optional detail events works. The check names them as a
// remark, not as a mistake.
func TestCheckOfDetailEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		events []string
		names  []string
	}{
		"all":        {stripe.AllEventTypes(), nil},
		"every":      {[]string{"*"}, nil},
		"no details": {stripe.EventTypes, stripe.DetailEventTypes},
		"without reviews": {
			append([]string{"charge.succeeded", "charge.failed", "charge.updated"}, stripe.EventTypes...),
			[]string{"review.opened", "review.closed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c := &checkup{out: &out}
			c.endpoint(stripe.Endpoint{URL: "https://shop.example" + webhookPath, Status: "enabled", Events: tt.events})
			if c.wrong > 0 || strings.Contains(out.String(), "warning") != (len(tt.names) > 0) ||
				!strings.Contains(out.String(), "has the events") {
				t.Fatalf("%d wrong:\n%s", c.wrong, out.String())
			}
			for _, kind := range tt.names {
				if !strings.Contains(out.String(), kind) {
					t.Errorf("%s is not named:\n%s", kind, out.String())
				}
			}
		})
	}
}

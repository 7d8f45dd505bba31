package main

import (
	"strings"
	"testing"
)

func TestStripeVersionFlag(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // empty: the arguments are refused
	}{
		{nil, "2024-06-20"},
		{[]string{"-stripe-version", "2026-10-28.endive"}, "2026-10-28.endive"},
		{[]string{"-stripe-version=2024-06-20"}, "2024-06-20"},
		{[]string{"-stripe-version", "2025-01-01"}, ""},
		{[]string{"-stripe-version", ""}, ""},
	} {
		o, err := parse(c.args)
		if refused := err != nil; refused != (c.want == "") {
			t.Errorf("%q: %v", c.args, err)
		}
		if err == nil && o.stripeVersion != c.want {
			t.Errorf("%q: %s instead of %s", c.args, o.stripeVersion, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "2026-10-28.endive") {
			t.Errorf("%q: the message does not name the versions: %v", c.args, err)
		}
	}
}

package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestSettingsAreNamedByFlags: a message about a setting names the flag that it came from.
func TestSettingsAreNamedByFlags(t *testing.T) {
	for text, want := range map[string]string{
		"LISTEN_ADDR must be :port for every interface\nREDIS_URL is wrong": "-addr must be :port\n-redis is wrong",

		"ADMIN_ADDR: listen tcp :9090: in use": "-admin-addr: listen tcp :9090: in use",
		"LOG_LEVEL must be debug":              "LOG_LEVEL must be debug",
	} {
		if got := namedByFlags(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

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

// TestExitCodes: help exits with 0, and a mistake does not. An argument that is no flag is a mistake, since the flags
// behind it would not be read.
func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-h"}, 0, ""},
		{[]string{"--help"}, 0, ""},
		{[]string{"-demo", "-help"}, 0, ""},
		{[]string{"-bogus"}, 2, "-bogus; kasse-dev -help lists the flags"},
		{[]string{"-settle", "soon"}, 2, "-settle"},
		{[]string{"demo"}, 2, `"demo"`},
		{[]string{"-addr", ":0", "run", "-drop", "1"}, 2, `"run"`},
		{[]string{"-drop", "2"}, 2, "-drop is 2: it must be from 0 to 1"},
		{[]string{"-reorder", "-0.1"}, 2, "-reorder is -0.1"},
		{[]string{"-duplicate", "NaN"}, 2, "-duplicate is NaN"},
		{[]string{"-demo", "-real"}, 1, "-real"},
	} {
		_, err := parse(c.args)
		var out bytes.Buffer
		if code := exitCode(err, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%q: exit code %d, want %d: %q", c.args, code, c.code, out.String())
		}
		if (c.says == "") != (out.Len() == 0) {
			t.Errorf("%q: printed %q", c.args, out.String())
		}
	}
	if code := exitCode(errors.New("no Redis"), &bytes.Buffer{}); code != 1 {
		t.Errorf("a failure exits with %d", code)
	}
}

// TestStripeVariablesNeedReal: the variables of Stripe in the environment are used with -real only.
func TestStripeVariablesNeedReal(t *testing.T) {
	for _, real := range []bool{true, false} {
		w := &stack{}
		t.Cleanup(func() { _ = w.stop() })
		names := []string{"STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY_FILE", "STRIPE_TIMEOUT", "STRIPE_READ_RPS"}
		for _, name := range names {
			t.Setenv(name, "another program's")
		}
		o := options{real: real, stripeAddr: "127.0.0.1:0", controlAddr: "127.0.0.1:0"}
		if _, err := w.startStripe(t.Context(), o, map[string]string{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, set := os.LookupEnv(name); set != real {
				t.Errorf("real %t: %s is set: %t", real, name, set)
			}
		}
	}
}

package main

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestEveryCommandHasHelp: each form of asking for help prints the usage and reads no configuration.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		for _, args := range [][]string{
			append(slices.Clip(words), "--help"), append(slices.Clip(words), "-h"),
			append([]string{"help"}, words...),
		} {
			var out strings.Builder
			err := run(t.Context(), args, &out)
			if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(out.String(), "usage: kasse "+c.name) {
				t.Errorf("%v ends with %v and prints %q", args, err, out.String())
			}
		}
	}
}

// TestHelpNamesPages: the document that a command's help names exists and has the command.
func TestHelpNamesPages(t *testing.T) {
	for _, c := range commands() {
		if c.page == "" {
			continue
		}
		text, err := os.ReadFile("../../" + c.page)
		if err != nil || c.name != "serve" && !strings.Contains(string(text), "kasse "+c.name) {
			t.Errorf("%s: %s does not explain it (%v)", c.name, c.page, err)
		}
	}
}

// TestMistakesAreNamed: a mistake in the arguments is reported before anything is read, connected or written.
func TestMistakesAreNamed(t *testing.T) {
	for line, want := range map[string]string{
		"refund-everything": `unknown command "refund-everything"`, "events": "replay, endpoints, enable",
		"events forget": `unknown command "events forget"`, "--verbose": `unknown command "--verbose"`,
		"serve now": `serve: unexpected argument "now"`, "serve -port 1": "serve: flag provided but not defined: -port",
		"events enable":              "events enable: an argument is missing",
		"events replay -type paid":   "-type paid is not an event type",
		"events replay -type order.": "-type order. is not an event type",
		"reconcile -since soon":      "reconcile: invalid value", "rebuild -since -1h": "rebuild: -since",
		"show": "show: an argument is missing", "show a b": `show: unexpected argument "b"`,
		"show pi_1_secret_2 -json": "show: this is a client secret", "show ~": "show: this is not the id",
		"version 2": `version: unexpected argument "2"`, "keygen shop": `keygen: unexpected argument "shop"`,
	} {
		var out strings.Builder
		err := run(t.Context(), strings.Fields(line), &out)
		var wrong *usageError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) || out.String() != "" {
			t.Errorf("%s ends with %v and prints %q, want %q", line, err, out.String(), want)
		}
	}
}

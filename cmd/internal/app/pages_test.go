package app

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kasse/service/stripe"
	"kasse/test/page"
)

const root = "../../../"

// TestMetricsPage: docs/metrics.md lists the program's metrics.
func TestMetricsPage(t *testing.T) {
	var rows [][]string
	for _, d := range definitions(t) {
		rows = append(rows, []string{"`" + d.name + "`", d.kind, strings.Join(d.labels, ", "), d.help})
	}
	page.Table(t, root+"docs/metrics.md", "| name | type | labels | meaning |", rows)
}

// TestSettingsPage: docs/configuration.md lists every variable with its default. A variable is "required" if
// the error of a start without it names it.
func TestSettingsPage(t *testing.T) {
	changes := map[string]string{}
	for name := range required {
		changes[name] = ""
	}
	_, err := load(t, changes)
	missing := fmt.Sprint(err)
	var rows [][]string
	fields := slices.Collect(reflect.TypeFor[environment]().Fields())
	for _, field := range fields {
		name := field.Tag.Get("envconfig")
		if strings.HasSuffix(name, "_FILE") {
			continue
		}
		cell := "`" + name + "`"
		if slices.ContainsFunc(
			fields, func(f reflect.StructField) bool { return f.Tag.Get("envconfig") == name+"_FILE" },
		) {
			cell += ", `…_FILE`"
		}
		rows = append(rows, []string{cell, standsFor(name, field.Tag.Get("default"), missing)})
	}
	page.Table(t, root+"docs/configuration.md", "| variable | default | meaning |", rows)
}

// standsFor describes the effect of an unset variable.
func standsFor(name, value, missing string) string {
	var m mistakes
	switch {
	case name == "STRIPE_READ_RPS":
		return fmt.Sprintf("`%d` live, `%d` test", m.readRPS("", true), m.readRPS("", false))
	case strings.Contains("\n"+missing, "\n"+name+" "):
		return "required"
	case value == "":
		return "none"
	}
	return "`" + value + "`"
}

// TestStripePage: the documents select all event types that Kasse reads, with the comments of kasse check.
func TestStripePage(t *testing.T) {
	for _, kind := range neededEvents {
		if !slices.Contains(stripe.EventTypes, kind) {
			t.Errorf("%s is needed, and not read", kind)
		}
	}
	var rows [][]string
	for _, kind := range stripe.AllEventTypes() {
		without := map[bool]string{true: "wrong", false: "warning"}[slices.Contains(neededEvents, kind)]
		rows = append(rows, []string{"`" + kind + "`", without})
	}
	page.Table(t, root+"docs/stripe.md", "| event | `kasse check` without it | about |", rows)
	list := regexp.MustCompile(`payment_intent\.[a-z_.,]+,[a-z_.,]+`)
	for _, document := range []string{"README.md", "docs/stripe.md", "compose.yaml"} {
		page.List(t, root+document, list, strings.Join(stripe.AllEventTypes(), ","))
	}
}

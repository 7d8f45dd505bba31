package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func rulesText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../" + rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryRuleHasAFault: make alerts-check can show each rule firing. A rule without a fault is found, and so is
// the reverse.
func TestEveryRuleHasAFault(t *testing.T) {
	names := alertNames(rulesText(t))
	if want := strings.Count(rulesText(t), "alert:"); len(names) != want || want < 10 {
		t.Fatalf("%d names were read of %d rules", len(names), want)
	}
	if err := covered(names, faults); err != nil {
		t.Error(err)
	}
	if err := covered(append(names, "KasseNew"), faults); err == nil || !strings.Contains(err.Error(), "KasseNew") {
		t.Errorf("a rule without a fault: %v", err)
	}
	if err := covered(slices.Delete(names, 0, 1), faults); err == nil || !strings.Contains(err.Error(), "KasseDown") {
		t.Errorf("a fault without a rule: %v", err)
	}
}

// TestShorten: times are sixty times shorter, and nothing else changes.
func TestShorten(t *testing.T) {
	for rule, want := range map[string]string{
		"        for: 5m":              "        for: 5s",
		"        for: 1h":              "        for: 1m",
		"rate(a[10m]) > 60":            "rate(a[10s]) > 60",
		"increase(a[1h])":              "increase(a[1m])",
		"predict_linear(a[6h], 86400)": "predict_linear(a[6m], 86400)",
		"max by (endpoint) (kasse_push_age_seconds) > 900":  "max by (endpoint) (kasse_push_age_seconds) > 15",
		"max(kasse_reconcile_caught_up_age_seconds) > 1800": "max(kasse_reconcile_caught_up_age_seconds) > 1800",
	} {
		if got := shorten(rule); got != want {
			t.Errorf("%s becomes %s, want %s", rule, got, want)
		}
	}
	short := strings.Split(shorten(rulesText(t)), "\n")
	changed := 0
	for i, line := range strings.Split(rulesText(t), "\n") {
		if line == short[i] {
			continue
		}
		changed++
		if !strings.Contains(line, "for: ") && !strings.Contains(line, "[") && !strings.Contains(
			line, "kasse_push_age_seconds",
		) {
			t.Errorf("line %d was changed: %s", i+1, line)
		}
	}
	if changed < 20 || strings.Contains(shorten(rulesText(t)), "[1h]") {
		t.Errorf("%d lines were changed", changed)
	}
}

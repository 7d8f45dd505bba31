package arch_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestThreatsHaveTheirTests: every row of SECURITY.md's table names a test, and every test that the page names exists.
func TestThreatsHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, file := range goFiles(t, "_test.go") {
		for _, match := range declared.FindAllStringSubmatch(file, -1) {
			known = append(known, match[1])
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, match := range named.FindAllStringSubmatch(string(text), -1) {
		if !slices.Contains(known, match[1]) {
			t.Errorf("there is no %s", match[1])
		}
	}
	_, table, _ := strings.Cut(string(text), "| threat | tests |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for row := range strings.Lines(table) {
		if rows++; !named.MatchString(row) {
			t.Errorf("no test is named for %s", row)
		}
	}
	if rows < 15 {
		t.Errorf("the table has %d rows", rows)
	}
}

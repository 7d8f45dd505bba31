package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMain is the yardstick's process, where it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "yardstick" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestBench plays what is short, once: it must come to its figures. What they are is not looked at.
func TestBench(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-run", "^(status|webhooks|start)$", "-rounds", "1", "-time", "200ms"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`(?m)^BenchmarkStatus/kasse-\d+\t\d+\t[0-9.e+]+ ns/op\t`, `(?m)^BenchmarkWebhook/bare-\d+\t`, `(?m)^BenchmarkStart/kasse-\d+\t`,
		`\| status read by client secret.*\| [0-9.]+ × \(`, `\| process: ready.*ms`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("no line is like %s:\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "not measured") {
		t.Errorf("something was not measured:\n%s", out.String())
	}
}

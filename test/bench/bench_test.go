package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"kasse/test/rounds"
)

// TestMain runs a baseline program if this process was started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "baseline" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestBench runs the short scenarios once. Each must produce its figures; the values are not checked.
func TestBench(t *testing.T) {
	payments = rounds.Of(500, 2_000, 10_000)
	var out bytes.Buffer
	if err := run(
		t.Context(), []string{"-run", "^(status|webhooks|start)$", "-rounds", "1", "-time", "100ms"}, &out,
	); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`(?m)^BenchmarkStatus/kasse-\d+\t\d+\t[0-9.e+]+ ns/op\t`, `(?m)^BenchmarkWebhook/bare-\d+\t`,
		`(?m)^BenchmarkStart/kasse-\d+\t`,
		`\| status read by client secret.*\| [0-9.]+ × \(`, `\| process: ready.*ms`,
	} {
		if !regexp.MustCompile(line).MatchString(out.String()) {
			t.Errorf("no line matches %s:\n%s", line, out.String())
		}
	}
	if strings.Contains(out.String(), "not measured") {
		t.Errorf("something was not measured:\n%s", out.String())
	}
}

// TestBaselineIsFrozen fails if the script of the bare webhook is edited, since Kasse is compared with it
// over time. The script is store/scripts/save_payment.lua of commit a0e84f8, below a line that names the
// commit.
func TestBaselineIsFrozen(t *testing.T) {
	const frozen = "ae151d9a8f1fa0bde92bd1880be52c682a8b84f5210511adb518330a7978d66c"
	_, script, _ := strings.Cut(baseline, "\n")
	if sum := sha256.Sum256([]byte(script)); hex.EncodeToString(sum[:]) != frozen {
		t.Errorf("the script was edited: its hash is %x, want %s", sum, frozen)
	}
}

// TestPairsAreHalfSuccesses checks the load of first events and successes: each payment has one of both, in
// this order.
func TestPairsAreHalfSuccesses(t *testing.T) {
	var p pairs
	status := regexp.MustCompile(`"id":"(pi_[^"]*)".*"status":"([a-z]*)","transfer_data"`)
	seen := map[string]string{}
	for n := range 4 * blockSize {
		found := status.FindSubmatch(p.change(n))
		seen[string(found[1])] += " " + string(found[2])
	}
	if len(seen) != 2*blockSize {
		t.Errorf("the events are about %d payments, want %d", len(seen), 2*blockSize)
	}
	for payment, statuses := range seen {
		if statuses != " processing succeeded" {
			t.Errorf("%s has the statuses%s", payment, statuses)
		}
	}
}

package arch_test

import (
	"os"
	"regexp"
	"testing"
)

// TestExamplesHavePortsOfTheirOwn: no example uses a default port of kasse-dev, since both run side by side.
// All backends share one port, because each replaces the other. The consumers share another.
func TestExamplesHavePortsOfTheirOwn(t *testing.T) {
	flags, err := os.ReadFile("../../cmd/kasse-dev/main.go")
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]bool{}
	for _, match := range regexp.MustCompile(`-addr", "[\d.]*:(\d{2,})"`).FindAllSubmatch(flags, -1) {
		taken[string(match[1])] = true
	}
	for _, match := range regexp.MustCompile(`"addr", "[\d.]*:(\d{2,})"`).FindAllSubmatch(flags, -1) {
		taken[string(match[1])] = true
	}
	if len(taken) < 5 {
		t.Fatalf("kasse-dev has only the ports %v", taken)
	}
	for path, port := range map[string]string{
		"backend-go/main.go": "8093", "backend-node/backend.js": "8093", "backend-python/backend.py": "8093",
		"consumer-go/main.go": "8094", "consumer-ts/src/main.ts": "8094",
	} {
		text, err := os.ReadFile("../../examples/" + path)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`"127\.0\.0\.1:(\d+)"`).FindAllSubmatch(text, -1)
		if len(found) != 1 || string(found[0][1]) != port || taken[port] {
			t.Errorf("%s listens at %q, want its own %s; kasse-dev has %v", path, found, port, taken)
		}
	}
}

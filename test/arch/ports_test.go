package arch_test

import (
	"os"
	"regexp"
	"testing"
)

// TestExamplesHavePortsOfTheirOwn: an example runs beside kasse-dev, whose ports are fixed by default. The backends
// have one port, since they stand for each other, and so have the consumers.
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

package api

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"kasse/service"
)

var update = flag.Bool("update", false, "write the pages that are generated")

// TestErrorsPage: docs/errors.md lists the codes as they are answered.
func TestErrorsPage(t *testing.T) {
	const page = "../docs/errors.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), "|---|---|---|---|\n")
	if !found {
		t.Fatal("it has no table")
	}
	var table strings.Builder
	codes := slices.SortedFunc(maps.Keys(kinds), func(a, b service.Code) int {
		return cmp.Or(cmp.Compare(kinds[a].status, kinds[b].status), cmp.Compare(a, b))
	})
	for _, code := range codes {
		retryable := map[bool]string{true: "yes", false: "no"}[kinds[code].retryable]
		fmt.Fprintf(&table, "| `%s` | %d | %s | %s |\n", code, kinds[code].status, kinds[code].title, retryable)
	}
	want := head + "|---|---|---|---|\n" + table.String()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !*update && string(text) != want {
		t.Errorf("it differs from the code; run go test ./api -run TestErrorsPage -update")
	}
}

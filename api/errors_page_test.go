package api

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"testing"

	"kasse/service/payment"
	"kasse/test/page"
)

// TestErrorsPage: docs/errors.md lists the codes as they are answered.
func TestErrorsPage(t *testing.T) {
	codes := slices.SortedFunc(maps.Keys(problemTypes), func(a, b payment.Code) int {
		return cmp.Or(cmp.Compare(problemTypes[a].status, problemTypes[b].status), cmp.Compare(a, b))
	})
	var rows [][]string
	for _, code := range codes {
		retryable := map[bool]string{true: "yes", false: "no"}[problemTypes[code].retryable]
		rows = append(rows, []string{
			"`" + string(code) + "`", strconv.Itoa(problemTypes[code].status), problemTypes[code].title, retryable,
		})
	}
	page.Table(t, "../docs/errors.md", "| code | status | title | retryable |", rows)
}

// Package page compares documents with the code. Names, defaults and lists come from the code; explanations are
// written by hand. A test of the owning package calls it. With -update (make tables) the test writes its part of the
// document. Without -update it fails if the document differs from the code.
package page

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the documents")

// Table writes or compares the rows under a header such as "| code | status |". If the header has more
// columns than a row has cells, the other cells are prose: they are kept, matched by the first cell, and a
// new row without them fails.
func Table(t *testing.T, document, header string, rows [][]string) {
	t.Helper()
	text := read(t, document)
	_, after, found := strings.Cut(text, header+"\n|"+strings.Repeat("---|", columns(header))+"\n")
	if !found {
		t.Fatalf("%s has no table %s", document, header)
	}
	written, rest := "", after
	for strings.HasPrefix(rest, "|") {
		line, below, _ := strings.Cut(rest, "\n")
		written, rest = written+line+"\n", below
	}
	prose := map[string][]string{}
	for line := range strings.Lines(written) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		prose[strings.TrimSpace(cells[0])] = cells
	}
	var table strings.Builder
	for _, row := range rows {
		known := prose[row[0]]
		for i := len(row); i < columns(header); i++ {
			if i >= len(known) || strings.TrimSpace(known[i]) == "" {
				t.Errorf("%s does not explain %s: write it into the table by hand", document, row[0])
				row = append(row, "")
				continue
			}
			row = append(row, strings.TrimSpace(known[i]))
		}
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	keep(t, document, text, strings.TrimSuffix(text, after)+table.String()+rest)
}

// List writes or compares every text in the document that matches the pattern. At least one must match.
func List(t *testing.T, document string, pattern *regexp.Regexp, want string) {
	t.Helper()
	text := read(t, document)
	if !pattern.MatchString(text) {
		t.Fatalf("no text in %s matches %s", document, pattern)
	}
	keep(t, document, text, pattern.ReplaceAllLiteralString(text, want))
}

func columns(header string) int { return strings.Count(header, "|") - 1 }

func read(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func keep(t *testing.T, document, text, want string) {
	t.Helper()
	if text == want {
		return
	}
	if !*update {
		t.Errorf("%s differs from the code: run make tables, and check the difference", document)
		return
	}
	if err := os.WriteFile(document, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

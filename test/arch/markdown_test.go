package arch_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const proseColumns = 100

var (
	otherBullet   = regexp.MustCompile(`^\s*[*+] `)
	listItem      = regexp.MustCompile(`^\s*(?:-|\d+\.) `)
	innerNumber   = regexp.MustCompile(`^\s+1\. `) // no other number interrupts a paragraph
	inlineCode    = regexp.MustCompile("``[^`]+``|`[^`]+`")
	cellSeparator = regexp.MustCompile(`\\\||\|`)
)

// TestMarkdownIsWhole fails where a document has a form that a renderer shows wrongly: see markdownFaults.
func TestMarkdownIsWhole(t *testing.T) {
	documents := goFiles(t, ".md")
	if len(documents) < 30 {
		t.Errorf("only %d documents were found", len(documents))
	}
	for path, text := range documents {
		for _, fault := range markdownFaults(text) {
			t.Errorf("%s: %s", path, fault)
		}
	}
}

// TestMarkdownFaultsAreFound: each kind of fault is found, and a correct text has none.
func TestMarkdownFaultsAreFound(t *testing.T) {
	wrong := map[string]string{
		"a bullet that is not -":            "* To roll** means to replace the replicas.",
		"** without its end":                "- **Secrets are `whsec_`.\n- Two.",
		"* without its end":                 "Tried* counts faults.",
		"` without its end":                 "Run `kasse check.",
		"no blank line before the list":     "The classes:\n- one",
		"the line is not indented":          "- One item\nand its second line.",
		"a number begins a line of an item": "1. It prints the reason, and exits\n   1. The next run does the rest.",
		"the row has 3 cells, the head 2":   "| a | b |\n|---|---|\n| 1 | 2 | 3 |",
		"the row has no end":                "| a | b |\n|---|---|\n| 1 | 2",
		"the code block has no end":         "```sh\nmake test",
		"the line has more than 100 runes":  strings.Repeat("word ", 21) + "word",
	}
	for want, text := range wrong {
		if faults := markdownFaults(text); !slices.ContainsFunc(faults, func(fault string) bool {
			return strings.HasPrefix(fault, want)
		}) {
			t.Errorf("%q: got %q, want %q", text, faults, want)
		}
	}
	right := "# A\n\n**To roll** is 2 * 3 of `a**b` and *x*:\n\n- one\n  more:\n  1. first\n  2. second\n\n1. two\n\n| a | b |\n|---|---|\n| `x\\|y` | 2 |\n\n```\n* c\n```\n"
	if faults := markdownFaults(right); len(faults) > 0 {
		t.Errorf("a correct text: %q", faults)
	}
}

// markdownFaults returns the faults of a document: bullets other than "-", markers without their end, lists
// without a blank line before them, lines of an item that are not indented, lines of an item that begin with
// "1." and so begin a list, rows that do not fit their table, code blocks without an end, and prose of more
// than 100 columns. Code is left out.
func markdownFaults(text string) (faults []string) {
	fault := func(what, line string) { faults = append(faults, what+": "+line) }
	fence, block, cells := "", "", 0
	endBlock := func() {
		faults = append(faults, unpairedMarkers(block)...)
		block = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		trimmed := strings.TrimSpace(line)
		if fence != "" || strings.HasPrefix(trimmed, "```") {
			endBlock()
			fence = nextFence(fence, trimmed)
			continue
		}
		if !strings.HasPrefix(trimmed, "|") {
			cells = 0
		}
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "<!--"):
			endBlock()
		case strings.HasPrefix(trimmed, "|"):
			endBlock()
			cells = tableFaults(trimmed, cells, fault)
		default:
			proseFaults(line, block, fault)
			if listItem.MatchString(line) {
				endBlock()
			}
			block += line + "\n"
		}
	}
	endBlock()
	if fence != "" {
		fault("the code block has no end", fence)
	}
	return faults
}

// nextFence returns the fence that is open after a line, "" for none.
func nextFence(fence, line string) string {
	switch {
	case fence == "":
		return line[:len(line)-len(strings.TrimLeft(line, "`"))]
	case strings.HasPrefix(line, fence):
		return ""
	}
	return fence
}

// tableFaults looks at a row of a table whose head has this many cells, 0 if it is the head. It returns that number.
func tableFaults(row string, head int, fault func(what, line string)) int {
	bare := inlineCode.ReplaceAllStringFunc(row, func(code string) string { return strings.ReplaceAll(code, `\|`, "") })
	if !strings.HasSuffix(row, "|") {
		fault("the row has no end", row)
		return head
	}
	cells := -1
	for _, separator := range cellSeparator.FindAllString(bare, -1) {
		if separator == "|" {
			cells++
		}
	}
	if head == 0 {
		head = cells
	}
	if cells != head {
		faultOfCells := "the row has " + string(rune('0'+cells)) + " cells, the head " + string(rune('0'+head))
		fault(faultOfCells, row)
	}
	for _, marker := range unpairedMarkers(row) {
		fault(marker, row)
	}
	return head
}

// proseFaults looks at a line of a paragraph or list item, which block holds up to here.
func proseFaults(line, block string, fault func(what, line string)) {
	indented := strings.HasPrefix(line, " ")
	switch {
	case otherBullet.MatchString(line):
		fault("a bullet that is not -", line)
	case listItem.MatchString(line):
		if block != "" && !listItem.MatchString(block) && !indented && !strings.HasPrefix(block, " ") {
			fault("no blank line before the list", line)
		}
		if innerNumber.MatchString(line) && listItem.MatchString(block) && indentation(line) > indentation(block) &&
			!strings.HasSuffix(strings.TrimSpace(block), ":") {
			fault("a number begins a line of an item", line)
		}
	case !indented && listItem.MatchString(block):
		fault("the line is not indented", line)
	}
	breakable := strings.Contains(inlineCode.ReplaceAllString(strings.TrimSpace(line), ""), " ")
	if breakable && utf8.RuneCountInString(line) > proseColumns {
		fault("the line has more than 100 runes", line)
	}
}

// indentation is the number of spaces before a text.
func indentation(text string) int { return len(text) - len(strings.TrimLeft(text, " ")) }

// unpairedMarkers returns a fault for each kind of marker of which a paragraph, item or row has an odd number.
func unpairedMarkers(block string) (faults []string) {
	bare := inlineCode.ReplaceAllString(block, "")
	single := strings.ReplaceAll(bare, "**", "")
	single = strings.NewReplacer(" * ", "", ".*", "").Replace(single) // a product, a pattern
	for marker, count := range map[string]int{
		"**": strings.Count(bare, "**"), "*": strings.Count(single, "*"), "`": strings.Count(bare, "`"),
	} {
		if count%2 != 0 {
			faults = append(faults, marker+" without its end: "+block)
		}
	}
	return faults
}

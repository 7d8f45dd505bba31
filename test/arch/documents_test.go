package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// References in documents: a test or a file in backticks; a linked file or heading; a make target; a run of
// tests.
var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	namedFile   = regexp.MustCompile("`((?:api|clients|cmd|deploy|docs|examples|service|store|test)/[\\w./-]+)`")
	namedLink   = regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]+))?\)`)
	namedTarget = regexp.MustCompile("(?m)(?:`|^)make ([a-z0-9-]+)")
	namedRun    = regexp.MustCompile("go test ([^`\n]*)")
)

// TestDocumentsNameWhatExists: each test, file, heading, make target and test run in a document exists.
func TestDocumentsNameWhatExists(t *testing.T) {
	tests := testsOfPackages(t)
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	documents := goFiles(t, ".md")
	named := map[string]int{}
	for path, text := range documents {
		for _, match := range namedTest.FindAllStringSubmatch(text, -1) {
			if named["test"]++; !slices.ContainsFunc(
				tests, func(test packagedTest) bool { return test.name == match[1] },
			) {
				t.Errorf("%s: there is no %s", path, match[1])
			}
		}
		for _, match := range namedFile.FindAllStringSubmatch(text, -1) {
			if named["file"]++; !exists(filepath.Join("../..", match[1])) {
				t.Errorf("%s: there is no %s", path, match[1])
			}
		}
		for _, match := range namedTarget.FindAllStringSubmatch(text, -1) {
			if named["target"]++; !strings.Contains(string(makefile), "\n"+match[1]+":") {
				t.Errorf("%s: there is no target %s", path, match[1])
			}
		}
		for _, match := range namedRun.FindAllStringSubmatch(text, -1) {
			named["run"]++
			checkRun(t, path, tests, strings.ReplaceAll(match[1], `\|`, "|"))
		}
		for _, match := range namedLink.FindAllStringSubmatch(text, -1) {
			target := path
			if named["link"]++; match[1] != "" {
				target = filepath.Join(filepath.Dir(path), match[1])
			}
			if !exists(target) || match[2] != "" && !slices.Contains(headings(documents[target]), match[2]) {
				t.Errorf("%s links to nothing: %s", path, match[0])
			}
		}
	}
	for _, what := range []string{"test", "file", "target", "run", "link"} {
		if named[what] < 10 {
			t.Errorf("only %d of this kind were found: %s", named[what], what)
		}
	}
}

// packagedTest is a test with its package, such as "./api".
type packagedTest struct{ pkg, name string }

func testsOfPackages(t *testing.T) (tests []packagedTest) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	for path, text := range goFiles(t, "_test.go") {
		for _, match := range declared.FindAllStringSubmatch(text, -1) {
			tests = append(tests, packagedTest{"." + strings.TrimPrefix(filepath.Dir(path), "../.."), match[1]})
		}
	}
	return tests
}

// checkRun checks that each pattern of "go test ./api -run 'One|Other'" matches a test of the packages.
func checkRun(t *testing.T, document string, tests []packagedTest, args string) {
	t.Helper()
	var packages []string
	for field := range strings.FieldsSeq(args) {
		if strings.HasPrefix(field, "./") {
			packages = append(packages, strings.Trim(field, ",;)"))
		}
	}
	patterns := []string{""}
	if match := regexp.MustCompile(
		`-run (?:'([^']*)'|(\S+))`,
	).FindStringSubmatch(args); match != nil && match[2] != "NAME" {
		patterns = strings.Split(match[1]+match[2], "|")
	}
	if match := regexp.MustCompile(`-bench '?([^'\s]+)`).FindStringSubmatch(args); match != nil && patterns[0] == "^$" {
		patterns = []string{"^Benchmark.*" + strings.Trim(match[1], ".")}
	}
	for _, pattern := range patterns {
		fits := func(test packagedTest) bool {
			matched, err := regexp.MatchString(pattern, test.name)
			return err == nil && matched && slices.ContainsFunc(packages, func(pkg string) bool {
				return test.pkg == pkg || strings.HasSuffix(pkg, "/...") && strings.HasPrefix(
					test.pkg+"/", strings.TrimSuffix(pkg, "..."),
				)
			})
		}
		if !slices.ContainsFunc(tests, fits) {
			t.Errorf("%s: no test is run by %q of go test %s", document, pattern, args)
		}
	}
}

// headings returns the anchors of a document's headings.
func headings(text string) (anchors []string) {
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestMakeTargetsHaveHelp: make help has a line for each target, except those that only other targets need.
func TestMakeTargetsHaveHelp(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	text, helped := string(makefile), map[string]bool{"programs": true, "built": true}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):.*##[cl]? \S`).FindAllStringSubmatch(text, -1) {
		helped[match[1]] = true
	}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(text, -1) {
		if !helped[match[1]] && !strings.HasPrefix(match[1], "check-") {
			t.Errorf("%s has no help: add ## and what it does, ##c in a step of check, ##l if it is long", match[1])
		}
	}
	if len(helped) < 30 {
		t.Errorf("only %d targets were found", len(helped))
	}
}

// TestThreatsHaveTheirTests: every row of SECURITY.md's table names a test.
func TestThreatsHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| threat | tests |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := 0
	for row := range strings.Lines(table) {
		if rows++; !namedTest.MatchString(row) {
			t.Errorf("no test is named for %s", row)
		}
	}
	if rows < 15 {
		t.Errorf("the table has %d rows", rows)
	}
}

// TestEveryTestFolderIsExplained: test/README.md names each folder of test/.
func TestEveryTestFolderIsExplained(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.Contains(string(text), "`"+entry.Name()+"`") {
			t.Errorf("test/README.md does not explain test/%s", entry.Name())
		}
	}
}

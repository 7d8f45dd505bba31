package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// levels are the methods of log/slog that write a line, and where the text is among their arguments.
var levels = map[string]int{
	"Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1, "LogAttrs": 2, "Log": 2,
}

// logLine is a call that writes a line of the log.
type logLine struct {
	text  string
	level string // info, warn or error
	at    token.Position
}

// TestLogLines: each text stands for one event, and docs/runbook.md has all that ask an operator to look.
func TestLogLines(t *testing.T) {
	lines := logLines(t, "api", "service", "store", "cmd/kasse", "cmd/internal")
	page, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (info|warn|error) \\|").FindAllStringSubmatch(string(page), -1) {
		quoted[row[2]+" "+row[1]] = true
	}
	seen := map[string]token.Position{}
	for _, line := range lines {
		if before, twice := seen[line.text]; twice && !slices.Contains(ofSeveral, line.text) {
			t.Errorf("%s: %q is also written at %s: one text, one event", line.at, line.text, before)
		}
		seen[line.text] = line.at
		if line.level != "info" && !quoted[line.level+" "+line.text] {
			t.Errorf("%s: docs/runbook.md has no row for %s %q", line.at, line.level, line.text)
		}
		delete(quoted, line.level+" "+line.text)
	}
	for row := range quoted {
		t.Errorf("docs/runbook.md quotes %q, which is not written", row)
	}
	if len(lines) < 20 {
		t.Errorf("%d lines of the log were found", len(lines))
	}
}

// forTests are folders whose programs are for tests.
var forTests = []string{"stripesim", "storetest"}

// ofSeveral are texts of lines that several calls write: each act of a caller has one.
var ofSeveral = []string{"audit"}

// logLines are the lines that the folders' programs write, the tests' apart.
func logLines(t *testing.T, folders ...string) (lines []logLine) {
	t.Helper()
	files := token.NewFileSet()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() && slices.Contains(forTests, entry.Name()) {
				return errOr(err, fs.SkipDir)
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok {
					lines = append(lines, lineOf(files, call)...)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// lineOf returns the line that a call writes, if it writes one with a text of its own.
func lineOf(files *token.FileSet, call *ast.CallExpr) []logLine {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	at, known := levels[method.Sel.Name]
	if !known || len(call.Args) <= at {
		return nil
	}
	text, ok := textOf(call.Args[at])
	if !ok {
		return nil
	}
	level := strings.ToLower(strings.TrimSuffix(method.Sel.Name, "Context"))
	if at == levels["Log"] {
		level = "info"
		if constant, ok := call.Args[1].(*ast.SelectorExpr); ok {
			level = strings.ToLower(strings.TrimPrefix(constant.Sel.Name, "Level"))
		}
	}
	return []logLine{{text, level, files.Position(call.Pos())}}
}

// textOf is the text of a literal, or of several that are added.
func textOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := textOf(e.X)
		right, also := textOf(e.Y)
		return left + right, ok && also
	}
	return "", false
}

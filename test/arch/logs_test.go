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

// levels are the logging methods of log/slog, with the index of the message argument.
var levels = map[string]int{
	"Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1, "LogAttrs": 2, "Log": 2,
}

// logLine is a call that logs.
type logLine struct {
	text  string
	level string // info, warn or error
	at    token.Position
}

// TestLogLines: each message stands for one event, and docs/runbook.md quotes every warning and error.
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

// TestRunbookQuotesReconcile: the code has each line that docs/runbook.md quotes from kasse reconcile. A colon and
// an ellipsis separate texts of different places. The command begins a line with a capital letter.
func TestRunbookQuotesReconcile(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "runbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| output | meaning |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	literals := strings.ToLower(literalsOf(t, "service"))
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` ").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		for _, text := range regexp.MustCompile(`…|: `).Split(row[1], -1) {
			if text = strings.ToLower(strings.Trim(text, " .,")); !strings.Contains(literals, text) {
				t.Errorf("docs/runbook.md quotes %q of kasse reconcile, which is not written", text)
			}
		}
	}
	if len(rows) < 5 {
		t.Errorf("%d lines of kasse reconcile were found", len(rows))
	}
}

// literalsOf returns the strings of the Go files directly in a folder, without its tests.
func literalsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			expression, ok := node.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := textOf(expression)
			if ok {
				all.WriteString(text + "\n")
			}
			return !ok
		})
	}
	return all.String()
}

// forTests are folders of test programs.
var forTests = []string{"stripesim", "storetest"}

// ofSeveral are messages that several calls may log, such as the one for each action of a caller.
var ofSeveral = []string{"audit"}

// logLines returns the log calls of the folders' programs, without their tests.
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

// lineOf returns the call's log line, if it logs a constant message.
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

// textOf returns the value of a string literal, or of several concatenated ones.
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

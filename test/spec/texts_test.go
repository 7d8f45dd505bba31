package spec_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestExamplesHaveTheServersTexts: each detail in an example of a problem is a text of the code, so that the
// document shows what a caller gets.
func TestExamplesHaveTheServersTexts(t *testing.T) {
	texts := serverTexts(t)
	checked := 0
	for _, example := range problemExamples(t) {
		details := []string{example.Detail}
		for _, one := range example.Errors {
			details = append(details, one.Detail)
		}
		for _, detail := range details {
			checked++
			fits := func(text *regexp.Regexp) bool { return text.MatchString(detail) }
			if !slices.ContainsFunc(texts, fits) {
				t.Errorf("%s: no text of the code is %q", example.Code, detail)
			}
		}
	}
	if checked < 40 {
		t.Errorf("%d details were checked", checked)
	}
}

type problem struct {
	Code, Detail string
	Errors       []struct{ Detail string }
}

// problemExamples returns the examples of problems, each once: many operations share a response.
func problemExamples(t *testing.T) (all []problem) {
	t.Helper()
	seen := map[string]bool{}
	read := func(responses map[string]*openapi3.ResponseRef) {
		for _, response := range responses {
			media := response.Value.Content["application/problem+json"]
			if media == nil {
				continue
			}
			for name, example := range media.Examples {
				var one problem
				text, err := json.Marshal(example.Value.Value)
				if seen[string(text)] {
					continue
				}
				seen[string(text)] = true
				if err == nil {
					err = json.Unmarshal(text, &one)
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				all = append(all, one)
			}
		}
	}
	for _, op := range operations(t) {
		read(op.Responses.Map())
	}
	read(load(t).Components.Responses)
	return all
}

// serverTexts returns a pattern for each text in the packages that answer requests.
func serverTexts(t *testing.T) (texts []*regexp.Regexp) {
	t.Helper()
	for _, folder := range []string{"api", "service", "service/payment", "service/stripe", "store"} {
		paths, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(paths), err)
		}
		for _, path := range paths {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(path, "_test.go") {
				texts = append(texts, textsOf(t, path, source)...)
			}
		}
	}
	return texts
}

// letters are those of a pattern's literals. A format with fewer than fewestLetters, such as "%s: %w", fits any text.
var letters = regexp.MustCompile(`[A-Za-z]`)

const fewestLetters = 8

// textsOf returns a pattern for each text of a Go file. A text may be a sum of literals and values.
func textsOf(t *testing.T, path string, source []byte) (texts []*regexp.Regexp) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		expression, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		pattern, found := patternOf(expression)
		if !found || len(letters.FindAllString(pattern, -1)) < fewestLetters {
			return true
		}
		texts = append(texts, regexp.MustCompile("^"+pattern+"$"))
		return false // the parts of a sum are no texts by themselves
	})
	return texts
}

// verb is a verb of fmt.
var verb = regexp.MustCompile(`%[a-z]`)

// patternOf returns the pattern of a literal, or of a sum with one; values and verbs match anything.
func patternOf(e ast.Expr) (pattern string, found bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if e.Kind != token.STRING || err != nil {
			return "", false
		}
		return verb.ReplaceAllString(regexp.QuoteMeta(text), ".+"), true
	case *ast.BinaryExpr:
		left, inLeft := patternOf(e.X)
		right, inRight := patternOf(e.Y)
		if e.Op != token.ADD || !inLeft && !inRight {
			return "", false
		}
		if !inLeft {
			left = ".+"
		}
		if !inRight {
			right = ".+"
		}
		return left + right, true
	}
	return "", false
}

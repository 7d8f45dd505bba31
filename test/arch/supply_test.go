package arch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoUnsafe: nothing of ours goes around the type system, links C, or borrows what another package keeps to itself.
func TestNoUnsafe(t *testing.T) {
	const everything = `{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}} ;`
	checked := 0
	for pkg := range strings.SplitSeq(strings.Join(goList(t, "-f", everything, "./..."), " "), ";") {
		name, imports, _ := strings.Cut(strings.TrimSpace(pkg), ":")
		if name == "" {
			continue
		}
		checked++
		for _, banned := range []string{"unsafe", "C", "plugin"} {
			if slices.Contains(strings.Fields(imports), banned) {
				t.Errorf("%s imports %s", name, banned)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d packages were looked at", checked)
	}
	borrows := regexp.MustCompile(`(?m)^//go:linkname`)
	for path, text := range goFiles(t, ".go") {
		if borrows.MatchString(text) {
			t.Errorf("%s borrows a function", path)
		}
	}
}

// TestBuildsWithoutC: what is shipped is linked with nothing of the machine that it was built on. What only tests start is
// built as the tests are, from the same cache.
func TestBuildsWithoutC(t *testing.T) {
	for _, file := range []string{"Makefile", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			shipped := strings.Contains(line, "./cmd/kasse") && strings.Contains(line, " build ") && !strings.Contains(line, "-o $(BUILT)/")
			if shipped && (!strings.Contains(line, "CGO_ENABLED=0") || !strings.Contains(line, "-trimpath")) {
				t.Errorf("%s builds by %s", file, line)
			}
		}
	}
}

// goFiles returns the files of the module whose names end so, by their paths.
func goFiles(t *testing.T, suffix string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != "../.." && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

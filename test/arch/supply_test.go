package arch_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNoUnsafe: no package imports unsafe, C or plugin, or links to another package's private function.
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

// TestBuildsWithoutC: shipped programs link no library of the build machine. Programs that only tests start
// are built like the tests, from the same cache.
func TestBuildsWithoutC(t *testing.T) {
	for _, file := range []string{"Makefile", "Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			shipped := strings.Contains(line, "./cmd/kasse") && strings.Contains(line, " build ") && !strings.Contains(
				line, "-o $(BUILT)/",
			)
			if shipped && (!strings.Contains(line, "CGO_ENABLED=0") || !strings.Contains(line, "-trimpath")) {
				t.Errorf("%s builds by %s", file, line)
			}
		}
	}
}

// unverified are platform packages for which no hash was available. The named script refuses to run them
// without one.
var unverified = map[string]string{
	"@stripe/cli-darwin-arm64": "test/cli/run.sh", "@stripe/cli-darwin-x64": "test/cli/run.sh",
	"@stripe/cli-linux-arm64": "test/cli/run.sh", "@stripe/cli-win32-x64": "test/cli/run.sh",
}

// TestLockFilesHaveHashes: npm verifies every package, including those of other platforms and from other
// sources.
func TestLockFilesHaveHashes(t *testing.T) {
	files, packages := 0, 0
	for path, text := range goFiles(t, "package-lock.json") {
		files++
		var lock struct {
			Packages map[string]struct {
				Version, Integrity, Resolved string
				Link                         bool
				OS                           []string
			}
		}
		if err := json.Unmarshal([]byte(text), &lock); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for key, p := range lock.Packages {
			_, name, installed := cutLast(key, "node_modules/")
			own := p.Link || strings.HasPrefix(p.Resolved, "file:")
			if !installed || own {
				continue
			}
			packages++
			if p.Resolved != "" {
				t.Errorf("%s says where %s comes from: %s", path, name, p.Resolved)
			}
			guard := unverified[name]
			if p.Integrity == "" && (guard == "" || len(p.OS) == 0) {
				t.Errorf("%s has no hash of %s", path, name)
			}
			if guard != "" && p.Integrity == "" {
				script, err := os.ReadFile(filepath.Join("../..", guard))
				if err != nil || !strings.Contains(string(script), "locked?.integrity") {
					t.Errorf("%s runs %s unverified (%v)", guard, name, err)
				}
			}
		}
	}
	if files < 10 || packages < 500 {
		t.Errorf("only %d lock files with %d packages were looked at", files, packages)
	}
}

// cutLast cuts text at the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

// TestCILooksForVulnerabilities: CI queries the vulnerability database, and reports if it is unreachable.
func TestCILooksForVulnerabilities(t *testing.T) {
	text, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"make --no-print-directory vuln", "NOT CHECKED"} {
		if !strings.Contains(string(text), want) {
			t.Errorf(".ci/run has no %q", want)
		}
	}
}

// goFiles returns the module's files with this suffix, by path.
func goFiles(t *testing.T, suffix string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != "../.." && (strings.HasPrefix(name, ".") ||
			name == "node_modules") {
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

// Package arch_test checks the rules of the code's structure. Depguard checks the same import rules in the
// editor, one file at a time. These tests give the reason of each rule and also look at indirect imports.
package arch_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// goList runs go list at the module's root and returns the words of its output.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

func TestImports(t *testing.T) {
	checked := 0
	present := goList(t, "./...")
	for _, rule := range rules {
		if !slices.Contains(present, rule.pkg) {
			continue // does not exist yet
		}
		checked++
		for _, path := range goList(t, "-f", `{{join .Imports "\n"}}`, rule.pkg) {
			if why := rule.forbids(path); why != "" {
				t.Errorf("%s imports %s: %s", rule.pkg, path, why)
			}
		}
	}
	if checked == 0 {
		t.Fatal("no package of the table was found")
	}
	t.Logf("%d of %d packages checked", checked, len(rules))
}

// TestEveryPackageHasARule: each package has a line in the table or is exempt, so that adding one is a
// decision.
func TestEveryPackageHasARule(t *testing.T) {
	free := []string{kasseDev, "kasse/test", "kasse/examples", storetest}
	for _, pkg := range goList(t, "./...") {
		ruled := slices.ContainsFunc(rules, func(r rule) bool { return r.pkg == pkg })
		if !ruled && !slices.ContainsFunc(free, func(prefix string) bool { return within(pkg, prefix) }) {
			t.Errorf("%s is in no rule", pkg)
		}
	}
}

// TestProductionLinksNoFake checks everything that the production binary links, directly or indirectly.
func TestProductionLinksNoFake(t *testing.T) {
	if !slices.Contains(goList(t, "./..."), "kasse/cmd/kasse") {
		t.Skip("cmd/kasse is not built yet")
	}
	fakes := map[string]string{
		miniredis:    "its data would be gone with the process",
		stripesim:    "orders would be paid with no customer's money",
		storetest:    "it starts and kills servers",
		"kasse/test": "it is for tests",
		kasseDev:     "everybody who reaches the console can move every payment",
		"testing":    "it adds flags to the program",
	}
	for _, path := range goList(t, "-deps", "./cmd/kasse") {
		for fake, why := range fakes {
			if within(path, fake) {
				t.Errorf("cmd/kasse links %s: %s", path, why)
			}
		}
	}
}

// TestProductionLinksNoGRPC holds the size of the binary: gRPC and its gateway are 10 MB. Traces go over HTTP.
func TestProductionLinksNoGRPC(t *testing.T) {
	for _, path := range goList(t, "-deps", "./cmd/kasse") {
		for _, costly := range []string{"google.golang.org/grpc", "github.com/grpc-ecosystem"} {
			if within(path, costly) {
				t.Errorf("cmd/kasse links %s; kasse/cmd/internal/app/otlp says how traces go without it", path)
			}
		}
	}
}

// TestDemoCompilesQuickly: kasse-dev links no package that only costs compile time, since it is the first
// thing that a newcomer compiles.
func TestDemoCompilesQuickly(t *testing.T) {
	costly := map[string]string{
		"google.golang.org/grpc":        "the demo sends no traces",
		"go.opentelemetry.io":           "the demo sends no traces",
		"github.com/getkin/kin-openapi": "make api-docs renders the page of the API",
		"github.com/yuin/goldmark":      "make api-docs renders the page of the API",
	}
	for _, path := range goList(t, "-deps", "./cmd/kasse-dev") {
		for prefix, why := range costly {
			if within(path, prefix) {
				t.Errorf("cmd/kasse-dev links %s: %s", path, why)
			}
		}
	}
}

// TestTopLevel keeps the root directory short. Names that begin with a dot are exempt.
func TestTopLevel(t *testing.T) {
	allowed := strings.Fields(`
		cmd api service store clients deploy docs examples findings test
		openapi.yaml spec.go go.mod go.sum Makefile Dockerfile compose.yaml
		README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md`)
	built := []string{"bin", "kasse", "kasse-dev"} // ignored by git
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, ".") && !slices.Contains(allowed, name) && !slices.Contains(built, name) {
			t.Errorf("%s does not belong at the top level", name)
		}
	}
}

package deploy_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unknown returns the variables that are set or mentioned but never read.
func unknown(read map[string]bool, named map[string][]string) (found []string) {
	for where, names := range named {
		for _, name := range names {
			if !read[name] {
				found = append(found, where+" names "+name)
			}
		}
	}
	return found
}

// TestNames: Kasse reads every variable that is set anywhere or named in a comment or an operator's page.
func TestNames(t *testing.T) {
	others := []string{
		"GOMEMLIMIT", "CGO_ENABLED", "STRIPE_API_KEY", // of the Go runtime, the Go tool and the Stripe CLI
		"AF_INET", "AF_INET6", "AF_UNIX", // systemd's address families
		// Of compose.yaml and the Dockerfile.
		"REDIS_PASSWORD", "REDISCLI_AUTH", "REDIS_IMAGE", "STRIPE_CLI_IMAGE", "GO_IMAGE",
	}
	known := map[string]bool{}
	for _, match := range regexp.MustCompile(`envconfig:"([A-Z0-9_]+)"`).FindAllStringSubmatch(
		string(read(t, "cmd/internal/app/config.go")), -1,
	) {
		known[match[1]] = true
	}
	if len(known) < 30 {
		t.Fatalf("only %d variables are known", len(known))
	}
	for _, name := range others {
		known[name] = true
	}
	c := render(t)
	named := map[string][]string{
		"the kasse of compose.yaml": slices.Collect(maps.Keys(compose(t).Services["kasse"].Environment)),
		"the ConfigMap":             slices.Collect(maps.Keys(c.settings.Data)),
	}
	for _, variable := range c.deployment.Spec.Template.Spec.Containers[0].Env {
		named["the Deployment"] = append(named["the Deployment"], variable.Name)
	}
	files, err := filepath.Glob(filepath.Join(root, manifests, "*"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, chart+"/values.yaml", chart+"/README.md", "deploy/systemd/kasse.env", unitFile)
	for _, file := range append(files, "compose.yaml", ".env.example", "Dockerfile", "docs/runbook.md", rulesFile) {
		file = strings.TrimPrefix(file, root+"/")
		named[file] = regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b`).FindAllString(string(read(t, file)), -1)
	}
	for _, where := range []string{
		"the kasse of compose.yaml", "the ConfigMap", "the Deployment", ".env.example", "docs/runbook.md", unitFile,
	} {
		if len(named[where]) < 5 {
			t.Errorf("%s names only %v", where, named[where])
		}
	}
	for _, fault := range unknown(known, named) {
		t.Error(fault + ", which no program reads")
	}
	for where, names := range named {
		if found := unknown(known, map[string][]string{where: append(names, "REDIS_ADDRESS")}); len(found) != 1 {
			t.Errorf("an unknown name in %s is not found: %v", where, found)
		}
	}
}

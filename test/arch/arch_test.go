// Package arch_test keeps the walls of the house where they are. Depguard holds the same ones in the
// editor; here each comes with its reason, and the whole program is looked at, not one file.
package arch_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	echo      = "github.com/labstack/echo"
	goRedis   = "github.com/redis/go-redis"
	miniredis = "github.com/alicebob/miniredis"
	stripeGo  = "github.com/stripe/stripe-go"
	stripesim = "kasse/service/stripe/stripesim"
	storetest = "kasse/store/storetest"
	kasseDev  = "kasse/cmd/kasse-dev"
)

// anything is for a package that is held by its bans alone: every path begins with "".
var anything = []string{""}

// rule says what the files of one package that are not tests may import beside the standard library.
type rule struct {
	pkg  string
	may  []string          // exact import paths of ours, or prefixes of modules
	why  string            // the reason of the list
	bans map[string]string // reasons of their own, by prefix; they win over may
}

var rules = []rule{
	{
		pkg: "kasse",
		why: "it holds the contract and nothing else",
	},
	{
		pkg: "kasse/service/payment",
		may: []string{"github.com/go-json-experiment/json"},
		why: "the rules are pure functions over plain values, to be tested without a network, a clock or chance",
		bans: map[string]string{
			"context": "a rule waits for nothing", "net/http": "a rule asks no server",
			"os":        "a rule has no surroundings",
			"math/rand": "the same facts give the same order", "crypto/rand": "the same facts give the same order",
			"kasse": "the rules are below everything else of ours",
		},
	},
	{
		pkg: "kasse/service",
		may: []string{
			"kasse/service/payment", "kasse/service/push", "golang.org/x/sync",
			"github.com/go-json-experiment/json",
		},
		why: "a use case applies the rules; what it needs of the world it asks for by an interface of its own",
		bans: map[string]string{
			goRedis:  "what is stored is the service's to say, how it is stored is store's",
			stripeGo: "Stripe's types stop at service/stripe, or a new SDK version changes the domain",
			echo:     "the service answers callers, and HTTP is one kind of them",
		},
	},
	{
		pkg: "kasse/api",
		may: []string{
			"kasse", "kasse/service", "kasse/service/payment", echo,
			"github.com/golang-jwt/jwt", "github.com/MicahParks/keyfunc", "github.com/go-json-experiment/json",
		},
		why: "a handler is decode, one call to the service, encode",
		bans: map[string]string{
			"kasse/store":           "a handler that reads the store goes round the service's decision who may see what",
			goRedis:                 "only store knows Redis",
			stripeGo:                "only service/stripe knows Stripe's SDK",
			"github.com/prometheus": "metrics are an Observer; only app knows Prometheus",
			"go.opentelemetry.io":   "app wraps the handler; what is inside passes the context on",
		},
	},
	{
		pkg: "kasse/store",
		may: []string{
			"kasse/service", "kasse/service/payment", "kasse/service/push", goRedis,
			"github.com/go-json-experiment/json",
		},
		why: "the store keeps what the service hands it, and decides nothing",
		bans: map[string]string{
			"kasse/api": "the store is below the service, and the API above it",
			echo:        "the store answers the service, not HTTP",
			stripeGo:    "what is stored is ours, or a new SDK version changes stored bytes",
		},
	},
	{
		pkg: "kasse/service/stripe",
		may: []string{"kasse/service/payment", stripeGo, "github.com/go-json-experiment/json"},
		why: "it translates between Stripe and the service, both ways, and knows no third",
		bans: map[string]string{
			"kasse/store": "an answer of Stripe goes to the service, which decides what is stored",
			"kasse/api":   "a webhook comes in through the service",
			stripesim:     "the real gateway must not know that there is a fake one",
		},
	},
	{
		pkg: stripesim,
		why: "it imports nothing of ours, so that it cannot share our mistakes",
	},
	{
		pkg: "kasse/service/push",
		may: []string{"kasse/service/payment", "github.com/standard-webhooks/standard-webhooks"},
		why: "it delivers events, and knows what it needs of the world by interfaces of its own",
		bans: map[string]string{
			"kasse/store": "the store implements the outbox; it imports the port types of push",
			"kasse/api":   "pushing goes out, the API comes in",
		},
	},
	{
		pkg: "kasse/cmd/internal/app",
		may: anything,
		bans: map[string]string{
			miniredis: "production must not link a fake Redis",
			stripesim: "production must not link a fake processor",
			storetest: "production must not link test helpers",
		},
	},
	{
		pkg: "kasse/cmd/internal/app/otlp",
		may: []string{"go.opentelemetry.io/otel"},
		why: "it is the exporter of traces and nothing else, so that what links no exporter compiles quickly",
	},
	{
		pkg: kasseDev + "/console",
		may: []string{"github.com/standard-webhooks/standard-webhooks"},
		why: "the console asks Kasse and the simulator over HTTP, as every caller does",
	},
	{
		pkg: "kasse/cmd/kasse",
		may: []string{"kasse/cmd/internal/app", "kasse/cmd/internal/app/otlp"},
		why: "main is signals, subcommands and exit codes; the rest is app, which a test can run",
	},
}

// forbids gives the reason why the import is forbidden, or nothing.
func (r rule) forbids(path string) string {
	for prefix, why := range r.bans {
		if within(path, prefix) {
			return why
		}
	}
	if standard(path) {
		return ""
	}
	for _, allowed := range r.may {
		if path == allowed || !ours(allowed) && within(path, allowed) {
			return ""
		}
	}
	return r.why
}

// within reports whether the path is the prefix or lies below it, as a package below its module.
func within(path, prefix string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
}

func ours(path string) bool { return within(path, "kasse") }

// standard reports whether the package is the standard library's: no dot in the first element, and not ours.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !ours(path) && !strings.Contains(first, ".")
}

// goList runs go list at the root of the module and returns its lines.
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
			continue // not built yet
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

// TestEveryPackageHasARule makes a new package a decision: it gets a line in the table, or is one of those
// that may import what they like.
func TestEveryPackageHasARule(t *testing.T) {
	free := []string{kasseDev, "kasse/test", "kasse/examples", storetest}
	for _, pkg := range goList(t, "./...") {
		ruled := slices.ContainsFunc(rules, func(r rule) bool { return r.pkg == pkg })
		if !ruled && !slices.ContainsFunc(free, func(prefix string) bool { return within(pkg, prefix) }) {
			t.Errorf("%s is in no rule", pkg)
		}
	}
}

// TestProductionLinksNoFake looks at all that the production binary links, by whatever way it came in.
func TestProductionLinksNoFake(t *testing.T) {
	if !slices.Contains(goList(t, "./..."), "kasse/cmd/kasse") {
		t.Skip("cmd/kasse is not built yet")
	}
	fakes := map[string]string{
		miniredis: "its data would be gone with the process",
		stripesim: "orders would be paid with no customer's money",
		storetest: "it starts and kills servers",
		kasseDev:  "everybody who reaches the console can move every payment",
		"testing": "it adds flags to the program",
	}
	for _, path := range goList(t, "-deps", "./cmd/kasse") {
		for fake, why := range fakes {
			if within(path, fake) {
				t.Errorf("cmd/kasse links %s: %s", path, why)
			}
		}
	}
}

// TestDemoCompilesQuickly: the first command of a newcomer compiles kasse-dev, so it links nothing that is only costly.
func TestDemoCompilesQuickly(t *testing.T) {
	costly := map[string]string{
		"google.golang.org/grpc":        "the demo sends no traces",
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

// TestTopLevel keeps the root readable at a glance. Names that begin with a dot are not looked at.
func TestTopLevel(t *testing.T) {
	allowed := strings.Fields(`
		cmd api service store clients deploy docs examples findings test
		openapi.yaml spec.go go.mod go.sum Makefile Dockerfile compose.yaml
		README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md`)
	built := []string{"bin", "kasse", "kasse-dev"} // and ignored by git
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

// TestRulesBite guards the tests above: a rule that forbids nothing would pass them.
func TestRulesBite(t *testing.T) {
	tests := []struct {
		pkg, path string
		forbidden bool
	}{
		{"kasse/service", "net/http", false},
		{"kasse/service", "kasse/service/payment", false},
		{"kasse/service/payment", "net/http", true},
		{"kasse/service/payment", "net/mail", false},
		{"kasse/service/payment", "context", true},
		{"kasse/service/payment", "kasse/service", true},
		{"kasse/service/payment", "github.com/go-json-experiment/json/v1", false},
		{"kasse/service/stripe", "kasse/service", true},
		{"kasse/service", "golang.org/x/sync/errgroup", false},
		{"kasse/service", "github.com/redis/go-redis/v9", true},
		{"kasse/service", "kasse/store", true},
		{"kasse/api", "kasse/service", false},
		{"kasse/api", "kasse/service/stripe", true},
		{"kasse/api", "github.com/labstack/echo/v4/middleware", false},
		{"kasse/store", "kasse/service", false},
		{stripesim, "kasse/service", true},
		{"kasse/cmd/internal/app", "github.com/prometheus/client_golang/prometheus", false},
		{"kasse/cmd/internal/app", stripesim, true},
		{"kasse/cmd/kasse", "kasse/service", true},
		{"kasse/cmd/kasse", kasseDev + "/console", true},
		{kasseDev + "/console", stripesim, true},
	}
	for _, test := range tests {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.pkg == test.pkg })
		if got := rules[i].forbids(test.path) != ""; got != test.forbidden {
			t.Errorf("%s importing %s: forbidden is %t, want %t", test.pkg, test.path, got, test.forbidden)
		}
	}
}

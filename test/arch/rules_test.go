package arch_test

import (
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

// anything allows every import, since every path begins with "". Only the bans restrict such a package.
var anything = []string{""}

// rule lists what a package's non-test files may import beside the standard library.
type rule struct {
	pkg  string
	may  []string          // exact import paths of ours, or prefixes of modules
	why  string            // why nothing else is allowed
	bans map[string]string // banned prefixes with their reasons; a ban wins over may
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
			"context": "a rule waits for nothing", "net/http": "a rule calls no server",
			"os":        "a rule depends on its arguments only",
			"math/rand": "the same facts give the same order", "crypto/rand": "the same facts give the same order",
			"kasse": "the rules are below everything else of ours",
		},
	},
	{
		pkg: "kasse/service",
		may: []string{"kasse/service/payment", "golang.org/x/sync"},
		why: "a use case applies the rules, and declares an interface for everything else that it needs",
		bans: map[string]string{
			goRedis:  "the service decides what is stored, and only store decides how",
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
			"kasse/store":           "the service decides who may see what, so a handler must not read the store",
			goRedis:                 "only store knows Redis",
			stripeGo:                "only service/stripe knows Stripe's SDK",
			"github.com/prometheus": "metrics are an Observer; only app knows Prometheus",
			"go.opentelemetry.io":   "app wraps the handler; the code inside only passes the context on",
		},
	},
	{
		pkg: "kasse/api/parking",
		why: "it holds connections, and does not interpret their requests",
	},
	{
		pkg: "kasse/store",
		may: []string{"kasse/service/payment", "kasse/service/push", goRedis, "github.com/go-json-experiment/json"},
		why: "the store knows the data and the rules, but no use case",
		bans: map[string]string{
			"kasse/api": "the store is below the service, and the API above it",
			echo:        "the store is called by the service, not over HTTP",
			stripeGo:    "a new version of the SDK must not change stored bytes",
		},
	},
	{
		pkg: "kasse/service/stripe",
		may: []string{"kasse/service/payment", stripeGo, "github.com/go-json-experiment/json"},
		why: "it translates between Stripe and the rules, and knows no use case",
		bans: map[string]string{
			"kasse/store": "an answer of Stripe goes to the service, which decides what is stored",
			"kasse/api":   "the API calls the service, which calls this package",
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
		why: "it delivers events, declares an interface for everything else that it needs, and knows no use case",
		bans: map[string]string{
			"kasse/store": "the store implements the outbox; it imports the port types of push",
			"kasse/api":   "pushes are outgoing requests, and the API handles incoming ones",
		},
	},
	{
		pkg: "kasse/cmd/internal/app",
		may: anything,
		bans: map[string]string{
			miniredis:             "production must not link a fake Redis",
			stripesim:             "production must not link a fake processor",
			storetest:             "production must not link test helpers",
			"go.opentelemetry.io": "kasse-dev links app, and sends no traces; package traces is OpenTelemetry's place",
		},
	},
	{
		pkg: "kasse/cmd/internal/app/traces",
		may: []string{
			"go.opentelemetry.io/otel", "kasse/api", "kasse/cmd/internal/app/otlp", "kasse/service/payment",
			"kasse/service/push", "kasse/service/stripe",
		},
		why: "it is OpenTelemetry and nothing else, so that what sends no traces compiles quickly",
	},
	{
		pkg: "kasse/cmd/internal/app/otlp",
		may: []string{
			"go.opentelemetry.io/otel", "go.opentelemetry.io/proto/otlp/trace", "google.golang.org/protobuf",
			"golang.org/x/net/http/httpguts",
		},
		why: "it is the exporter of traces and nothing else, so that what links no exporter compiles quickly",
	},
	{
		pkg: kasseDev + "/console",
		may: []string{"github.com/standard-webhooks/standard-webhooks"},
		why: "the console asks Kasse and the simulator over HTTP, as every caller does",
	},
	{
		pkg: "kasse/cmd/kasse",
		may: []string{"kasse/cmd/internal/app", "kasse/cmd/internal/app/traces"},
		why: "main is signals, subcommands and exit codes; the rest is app, which a test can run",
	},
}

// forbids returns the reason why the import is forbidden, or "".
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

// within reports whether the path equals the prefix or is below it.
func within(path, prefix string) bool {
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
}

func ours(path string) bool { return within(path, "kasse") }

// standard reports whether the package belongs to the standard library: its first element has no dot, and it
// is not ours.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !ours(path) && !strings.Contains(first, ".")
}

// TestRulesForbid: each rule forbids something. Otherwise the tests above could pass with empty rules.
func TestRulesForbid(t *testing.T) {
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
		{"kasse/store", "kasse/service", true},
		{"kasse/store", "kasse/service/payment", false},
		{"kasse/service/push", "kasse/service", true},
		{"kasse/service", "kasse/service/push", true},
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

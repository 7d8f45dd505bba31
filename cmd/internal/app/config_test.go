package app

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service/push"
)

// required are the settings without which Kasse does not start.
var required = map[string]string{
	"STRIPE_SECRET_KEY": "sk_test_kasse", "STRIPE_PUBLISHABLE_KEY": "pk_test_kasse",
	"STRIPE_WEBHOOK_SECRETS": "whsec_kasse_kasse_kasse",
	"SERVICE_KEYS":           "shop:" + strings.Repeat("ab", 32) + ":read+write",
}

// load reads a configuration from the required settings and changes. An empty value unsets a variable.
func load(t *testing.T, changes map[string]string) (Config, error) {
	t.Helper()
	for field := range reflect.TypeFor[environment]().Fields() {
		name := field.Tag.Get("envconfig")
		value, changed := changes[name]
		if !changed {
			value = required[name]
		}
		t.Setenv(name, value)
		if value == "" {
			_ = os.Unsetenv(name) // t.Setenv restores it
		}
	}
	return LoadConfig()
}

func secretOf(bytes int) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", bytes)))
}

func TestDefaults(t *testing.T) {
	c, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.ListenAddr != ":8080" || c.AdminAddr != "127.0.0.1:9090" ||
		c.StripeAPIBase != "https://api.stripe.com" || c.Livemode() || c.StripeReadRPS != 5 ||
		c.MaxFailedAttempts != 10 ||
		c.OrderTokens.Secrets != nil || c.OrderTokens.Audience != "kasse" || c.OrderTokens.TTL != 15*time.Minute ||
		c.ServiceKeys[0].Name != "shop" {
		t.Errorf("defaults are %+v", c)
	}
	live := map[string]string{
		"STRIPE_SECRET_KEY": " rk_live_kasse\n", "STRIPE_PUBLISHABLE_KEY": "pk_live_kasse",
		"STRIPE_API_BASE": "https://api.stripe.com/",
	}
	if c, err = load(t, live); err != nil || !c.Livemode() || c.StripeReadRPS != 10 ||
		c.StripeSecretKey.Reveal() != "rk_live_kasse" {
		t.Errorf("with live keys %+v, %v", c, err)
	}
}

func TestTokenSecretsInTheirOrder(t *testing.T) {
	c, err := load(t, map[string]string{
		"ORDER_TOKEN_SECRETS": "v2:" + secretOf(40) + " , v1:" + secretOf(32), "ORDER_TOKEN_TTL": "24h",
		"ORDER_TOKEN_AUDIENCE": " shop ",
	})
	if err != nil {
		t.Fatal(err)
	}
	secrets := c.OrderTokens.Secrets
	if len(secrets) != 2 || secrets[0].KID != "v2" || secrets[1].Key.Reveal() != strings.Repeat("s", 32) ||
		c.OrderTokens.Audience != "shop" {
		t.Errorf("tokens are %+v", c.OrderTokens)
	}
}

// TestKeysMayShareAName: two keys of one name are valid at the same time, for rotation.
func TestKeysMayShareAName(t *testing.T) {
	other := strings.Repeat("cd", 32)
	c, err := load(t, map[string]string{"SERVICE_KEYS": "shop:" + someHash + ":read+write, office:" + strings.Repeat(
		"ef", 32,
	) + ":manage, shop:" + other + ":read"})
	if err != nil {
		t.Fatal(err)
	}
	keys := c.ServiceKeys
	if len(keys) != 3 || keys[0].Name != "shop" || keys[2].Name != "shop" || keys[0].Hash == keys[2].Hash ||
		len(keys[0].Scopes) != 2 || len(keys[2].Scopes) != 1 {
		t.Errorf("keys are %+v", keys)
	}
}

func TestRequiredVariablesAreMissing(t *testing.T) {
	_, err := load(t, map[string]string{
		"STRIPE_SECRET_KEY": "", "STRIPE_PUBLISHABLE_KEY": "", "STRIPE_WEBHOOK_SECRETS": "", "SERVICE_KEYS": "",
	})
	for variable := range required {
		if err == nil || !strings.Contains(err.Error(), variable+" ") {
			t.Errorf("%s is not asked for: %v", variable, err)
		}
	}
}

func TestLiveKeysGoToStripeOnly(t *testing.T) {
	live := map[string]string{
		"STRIPE_SECRET_KEY": "sk_live_kasse", "STRIPE_PUBLISHABLE_KEY": "pk_live_kasse",
		"STRIPE_API_BASE": "http://127.0.0.1:12111",
	}
	if _, err := load(t, live); err == nil || !strings.Contains(err.Error(), "STRIPE_API_BASE ") {
		t.Errorf("live keys elsewhere: %v", err)
	}
	live["STRIPE_PUBLISHABLE_KEY"], live["STRIPE_API_BASE"] = "pk_test_kasse", ""
	if _, err := load(t, live); err == nil || !strings.Contains(err.Error(), "STRIPE_PUBLISHABLE_KEY ") {
		t.Errorf("keys of two modes: %v", err)
	}
}

// TestSecretsFromFiles: X_FILE replaces X. Both are a mistake, and so is a missing file.
func TestSecretsFromFiles(t *testing.T) {
	values := map[string]string{
		"REDIS_URL": "redis://joe:hunter2@localhost:6379/0", "STRIPE_SECRET_KEY": "sk_test_hunter2",
		"STRIPE_WEBHOOK_SECRETS": "whsec_hunter2_hunter2_hunter2",
		"SERVICE_KEYS":           "other:" + strings.Repeat("cd", 32) + ":read",
		"ORDER_TOKEN_SECRETS":    "v9:" + secretOf(32),
		"EVENT_ENDPOINTS": "https://hunter2.shop.example/hooks=whsec_" + secretOf(
			32,
		) + "|whsec_" + secretOf(33) + "#order.paid+superseded.paid",
	}
	for field := range reflect.TypeFor[environment]().Fields() {
		variable, isFile := strings.CutSuffix(field.Tag.Get("envconfig"), "_FILE")
		if !isFile {
			continue
		}
		t.Run(variable, func(t *testing.T) {
			value, tested := values[variable]
			if !tested {
				t.Fatal("it has no value here")
			}
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte("\n "+value+" \n"), 0o600); err != nil {
				t.Fatal(err)
			}
			direct, err := load(t, map[string]string{variable: value})
			if err != nil {
				t.Fatal(err)
			}
			read, err := load(t, map[string]string{variable: "", variable + "_FILE": file})
			direct.OrderTokens.Now, read.OrderTokens.Now = nil, nil
			if sameEndpoints := slices.EqualFunc(
				direct.Endpoints, read.Endpoints, func(a, b *push.Endpoint) bool { return a.ID() == b.ID() },
			); sameEndpoints {
				direct.Endpoints, read.Endpoints = nil, nil
			}
			if err != nil || !reflect.DeepEqual(direct, read) {
				t.Errorf("from the file %+v, %v", read, err)
			}
			_, err = load(t, map[string]string{variable: value, variable + "_FILE": file})
			if err == nil || !strings.Contains(err.Error(), variable+" and "+variable+"_FILE are both set") ||
				strings.Contains(err.Error(), value) {
				t.Errorf("both set: %v", err)
			}
			_, err = load(t, map[string]string{variable: "", variable + "_FILE": file + ".missing"})
			if err == nil || !strings.Contains(err.Error(), variable+"_FILE ") || strings.Contains(err.Error(), file) {
				t.Errorf("no such file: %v", err)
			}
		})
	}
}

// TestTracesCanBeSwitchedOff: a collector's address turns traces on, and OTEL_SDK_DISABLED turns them off.
func TestTracesCanBeSwitchedOff(t *testing.T) {
	const collector = "http://collector.example:4318"
	tests := []struct {
		endpoint, disabled string
		traced             bool
	}{
		{"", "", false},
		{"", "false", false},
		{collector, "", true},
		{collector, "false", true},
		{collector, "False", true},
		{collector, "true", false},
		{collector, " TRUE ", false},
	}
	for _, test := range tests {
		c, err := load(
			t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": test.endpoint, "OTEL_SDK_DISABLED": test.disabled},
		)
		if err != nil {
			t.Fatalf("%q, %q: %v", test.endpoint, test.disabled, err)
		}
		if c.Traced != test.traced {
			t.Errorf("%q, %q: traced is %t", test.endpoint, test.disabled, c.Traced)
		}
	}
}

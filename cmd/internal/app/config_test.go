package app

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The settings without which nothing starts.
var required = map[string]string{
	"STRIPE_SECRET_KEY": "sk_test_kasse", "STRIPE_PUBLISHABLE_KEY": "pk_test_kasse", "STRIPE_WEBHOOK_SECRETS": "whsec_kasse_kasse_kasse",
	"SERVICE_KEYS": "shop:" + strings.Repeat("ab", 32) + ":read+write",
}

// load reads a configuration from the required settings and some others; an empty one is not set.
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
			_ = os.Unsetenv(name) // Setenv puts it back
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
	if c.ListenAddr != ":8080" || c.StripeAPIBase != "https://api.stripe.com" || c.Livemode() || c.StripeReadRPS != 5 || c.MaxFailedAttempts != 10 ||
		c.OrderTokens.Secrets != nil || c.OrderTokens.Audience != "kasse" || c.OrderTokens.TTL != 15*time.Minute || c.ServiceKeys[0].Name != "shop" {
		t.Errorf("defaults are %+v", c)
	}
	live := map[string]string{"STRIPE_SECRET_KEY": " rk_live_kasse\n", "STRIPE_PUBLISHABLE_KEY": "pk_live_kasse", "STRIPE_API_BASE": "https://api.stripe.com/"}
	if c, err = load(t, live); err != nil || !c.Livemode() || c.StripeReadRPS != 10 || c.StripeSecretKey.Reveal() != "rk_live_kasse" {
		t.Errorf("with live keys %+v, %v", c, err)
	}
}

func TestTokenSecretsInTheirOrder(t *testing.T) {
	c, err := load(t, map[string]string{"ORDER_TOKEN_SECRETS": "v2:" + secretOf(40) + " , v1:" + secretOf(32), "ORDER_TOKEN_TTL": "24h", "ORDER_TOKEN_AUDIENCE": " shop "})
	if err != nil {
		t.Fatal(err)
	}
	secrets := c.OrderTokens.Secrets
	if len(secrets) != 2 || secrets[0].KID != "v2" || secrets[1].Key.Reveal() != strings.Repeat("s", 32) || c.OrderTokens.Audience != "shop" {
		t.Errorf("tokens are %+v", c.OrderTokens)
	}
}

// TestEveryMistakeIsNamed goes through the variables one by one: each is named, none with its value.
func TestEveryMistakeIsNamed(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	tests := map[string][]string{
		"LISTEN_ADDR":            {"8080", "nowhere.example", ":"},
		"ADMIN_ADDR":             {"9090", "nowhere.example"},
		"DRAIN_DELAY":            {"3", "-1s", "soon"},
		"SHUTDOWN_TIMEOUT":       {"25", "0s", "999ms"},
		"REDIS_URL":              {"localhost:6380", "redis://joe:hunter2@localhost:port", "postgres://joe:hunter2@localhost/0", "redis://localhost/first"},
		"REDIS_MODE":             {"Single", "ring"},
		"REDIS_PARTITIONS":       {"0", "65", "sixteen", "1.5"},
		"STRIPE_SECRET_KEY":      {"pk_test_kasse", "sk_kasse", "sk_test_", "sk_test_a b", "whsec_hunter2_hunter2_hunter2"},
		"STRIPE_PUBLISHABLE_KEY": {"sk_test_kasse", "pk_live_kasse", "pk_test_"},
		"STRIPE_WEBHOOK_SECRETS": {"hunter2", "whsec_short", "whsec_kasse_kasse_kasse,", "whsec_kasse_kasse_kasse,whsec_x"},
		"STRIPE_API_BASE":        {"ftp://api.stripe.com", "api.stripe.com", "https://", "https://joe:hunter2@:x"},
		"STRIPE_TIMEOUT":         {"20", "1ms", "-1s"},
		"STRIPE_READ_RPS":        {"0", "101", "ten"},
		"SERVICE_KEYS": {
			"ksk_hunter2_hunter2_hunter2_hunter2_hunter2", "shop:" + hash, "shop:" + hash + ":", "shop:" + hash + ":admin", "Shop:" + hash + ":read", ":" + hash + ":read",
			"shop:" + strings.ToUpper(hash) + ":read", "shop:" + hash[2:] + ":read", "shop:" + hash + ":read,", "shop:" + hash + ":read,shop:" + hash + ":write", "shop:" + hash + ":read:write",
		},
		"SERVICE_NAME": {"Shop", "shop_1", strings.Repeat("a", 33)},
		"ORDER_TOKEN_SECRETS": {
			"hunter2", "v1:" + secretOf(31), "v1:" + strings.TrimRight(secretOf(32), "="), ":" + secretOf(32), "v1:hunter2!", "v 1:" + secretOf(32), "v1:" + secretOf(32) + ",",
			"v1:" + secretOf(32) + ",v1:" + secretOf(33), secretOf(32), strings.Repeat("k", 65) + ":" + secretOf(32),
		},
		"ORDER_TOKEN_AUDIENCE": {" "},
		"ORDER_TOKEN_ISSUER":   {"https://login.shop.example"},
		"ORDER_TOKEN_JWKS_URL": {
			"https://login.shop.example/keys", "http://login.shop.example/keys", "login.shop.example/keys", "/keys", "https:///keys", "https://:443/keys", "file:///etc/hunter2", "ftp://login.shop.example/keys",
			"https://joe:hunter2@login.shop.example/keys", "https://login.shop.example/keys#hunter2", "http://127.0.0.1.shop.example/keys", "http://localhost.shop.example/keys", "http://10.0.0.1/keys?key=hunter2",
			"http://[fe80::1]/keys", "http://0.0.0.0/keys", "http://2130706433/keys", "https://login.shop.example:port/hunter2", "data:application/json,{}", "https://%zz/hunter2",
		},
		"ORDER_TOKEN_TTL":     {"15", "0s", "25h", "999ms"},
		"MAX_FAILED_ATTEMPTS": {"0", "ten", "1001", "off"},
		"PAYMENT_RETENTION":   {"719h", "550d", "forever"},
		"EVENT_RETENTION":     {"1h", "30d", "forever"},
		"LOG_LEVEL":           {"loud", "7"},
		"LOG_FORMAT":          {"xml", "JSON"},
	}
	for variable, values := range tests {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				_, err := load(t, map[string]string{variable: value})
				if err == nil || !strings.Contains(err.Error(), variable+" ") {
					t.Fatalf("the mistake is not named: %v", err)
				}
				if strings.Contains(err.Error(), "hunter2") || (len(value) > 12 && strings.Contains(err.Error(), value)) {
					t.Errorf("a value is shown: %v", err)
				}
			})
		}
	}
}

func TestNothingIsSet(t *testing.T) {
	_, err := load(t, map[string]string{"STRIPE_SECRET_KEY": "", "STRIPE_PUBLISHABLE_KEY": "", "STRIPE_WEBHOOK_SECRETS": "", "SERVICE_KEYS": ""})
	for variable := range required {
		if err == nil || !strings.Contains(err.Error(), variable+" ") {
			t.Errorf("%s is not asked for: %v", variable, err)
		}
	}
}

func TestLiveKeysGoToStripeOnly(t *testing.T) {
	live := map[string]string{"STRIPE_SECRET_KEY": "sk_live_kasse", "STRIPE_PUBLISHABLE_KEY": "pk_live_kasse", "STRIPE_API_BASE": "http://127.0.0.1:12111"}
	if _, err := load(t, live); err == nil || !strings.Contains(err.Error(), "STRIPE_API_BASE ") {
		t.Errorf("live keys elsewhere: %v", err)
	}
	live["STRIPE_PUBLISHABLE_KEY"], live["STRIPE_API_BASE"] = "pk_test_kasse", ""
	if _, err := load(t, live); err == nil || !strings.Contains(err.Error(), "STRIPE_PUBLISHABLE_KEY ") {
		t.Errorf("keys of two modes: %v", err)
	}
}

// TestSecretsFromFiles: X_FILE stands for X, both are a mistake, and so is a file that is not there.
func TestSecretsFromFiles(t *testing.T) {
	values := map[string]string{
		"REDIS_URL": "redis://joe:hunter2@localhost:6379/0", "STRIPE_SECRET_KEY": "sk_test_hunter2", "STRIPE_WEBHOOK_SECRETS": "whsec_hunter2_hunter2_hunter2",
		"SERVICE_KEYS": "other:" + strings.Repeat("cd", 32) + ":read", "ORDER_TOKEN_SECRETS": "v9:" + secretOf(32),
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
			if err != nil || !reflect.DeepEqual(direct, read) {
				t.Errorf("from the file %+v, %v", read, err)
			}
			_, err = load(t, map[string]string{variable: value, variable + "_FILE": file})
			if err == nil || !strings.Contains(err.Error(), variable+" and "+variable+"_FILE are both set") || strings.Contains(err.Error(), value) {
				t.Errorf("both set: %v", err)
			}
			_, err = load(t, map[string]string{variable: "", variable + "_FILE": file + ".missing"})
			if err == nil || !strings.Contains(err.Error(), variable+"_FILE ") || strings.Contains(err.Error(), file) {
				t.Errorf("no such file: %v", err)
			}
		})
	}
}

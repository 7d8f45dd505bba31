package app

import (
	"reflect"
	"strings"
	"testing"
)

var someHash = strings.Repeat("ab", 32)

// mistaken are forbidden values of each variable. A message never contains the value; "hunter2" stands for a
// secret part.
var mistaken = map[string][]string{
	"LISTEN_ADDR":      {"8080", "nowhere.example", ":"},
	"ADMIN_ADDR":       {"9090", "nowhere.example"},
	"DRAIN_DELAY":      {"3", "-1s", "soon"},
	"SHUTDOWN_TIMEOUT": {"25", "0s", "999ms"},
	"REDIS_URL": {
		"localhost:6380", "redis://joe:hunter2@localhost:port", "postgres://joe:hunter2@localhost/0",
		"redis://localhost/first",
	},
	"REDIS_MODE":             {"Single", "ring"},
	"REDIS_PARTITIONS":       {"0", "65", "sixteen", "1.5"},
	"REDIS_WAIT_REPLICAS":    {"-1", "6", "all"},
	"REDIS_WAIT_TIMEOUT":     {"500", "0s", "2001ms"},
	"REDIS_DURABILITY":       {"on", "Require", "always"},
	"REDIS_AUTOPIPELINE":     {"1", "on", "True"},
	"REDIS_CLIENT_CACHE":     {"0", "off", "64MiB"},
	"ORDER_INDEX":            {"0", "off", "customers"},
	"WAIT_PARKING":           {"1", "on", "linux"},
	"STRIPE_SECRET_KEY":      {"pk_test_kasse", "sk_kasse", "sk_test_", "sk_test_a b", "whsec_hunter2_hunter2_hunter2"},
	"STRIPE_PUBLISHABLE_KEY": {"sk_test_kasse", "pk_live_kasse", "pk_test_"},
	"STRIPE_WEBHOOK_SECRETS": {"hunter2", "whsec_short", "whsec_kasse_kasse_kasse,", "whsec_kasse_kasse_kasse,whsec_x"},
	"STRIPE_API_BASE":        {"ftp://api.stripe.com", "api.stripe.com", "https://", "https://joe:hunter2@:x"},
	"STRIPE_TIMEOUT":         {"20", "1ms", "-1s"},
	"STRIPE_READ_RPS":        {"0", "101", "ten"},
	"SERVICE_KEYS": {
		"ksk_hunter2_hunter2_hunter2_hunter2_hunter2", "shop:" + someHash, "shop:" + someHash +
			":", "shop:" + someHash + ":admin", "Shop:" + someHash + ":read", ":" + someHash + ":read",
		"shop:" + strings.ToUpper(
			someHash,
		) + ":read", "shop:" + someHash[2:] + ":read", "shop:" + someHash + ":read,", "shop:" + someHash +
			":read,shop:" + someHash + ":write", "shop:" + someHash + ":read,office:" + someHash +
			":read", "shop:" + someHash + ":read:write",
	},
	"SERVICE_NAME": {"Shop", "shop_1", strings.Repeat("a", 33)},
	"ORDER_TOKEN_SECRETS": {
		"hunter2", "v1:" + secretOf(31), "v1:" + strings.TrimRight(
			secretOf(32), "=",
		), ":" + secretOf(32), "v1:hunter2!", "v 1:" + secretOf(32), "v1:" + secretOf(32) + ",",
		"v1:" + secretOf(32) + ",v1:" + secretOf(33), secretOf(32), strings.Repeat("k", 65) + ":" + secretOf(32),
	},
	"EVENT_ENDPOINTS": {
		"https://shop.example/hook", "https://shop.example/hook=whsec_hunter2", "https://shop.example/hook=whsec_" +
			secretOf(23), "https://shop.example/hook=whsec_" + secretOf(65),
		"http://shop.example/hook=whsec_" + secretOf(24), "shop.example/hook=whsec_" + secretOf(
			24,
		), "https:///hook=whsec_" + secretOf(24), "https://shop.example/#hunter2=whsec_" + secretOf(24),
		"https://shop.example/hook=whsec_" + secretOf(24) + ",", "https://shop.example/hook=whsec_" + secretOf(
			24,
		) + "|", "https://shop.example/hook=whsec_" + secretOf(24) + "|hunter2",
		"https://shop.example/hook=whsec_" + secretOf(24) + ",https://shop.example/hook=whsec_" + secretOf(
			25,
		), "https://joe:hunter2@:x/=whsec_" + secretOf(24), "=whsec_" + secretOf(24),
		"https://shop.example/hook=whsec_" + secretOf(
			24,
		) + "#", "https://shop.example/hook=whsec_" + secretOf(24) + "#order.payed",
		"https://shop.example/hook=whsec_" + secretOf(
			24,
		) + "#order.paid+", "https://shop.example/hook=whsec_" + secretOf(24) + "#order.paid|order.refunded",
	},
	"EVENT_ALLOW_PRIVATE":  {"yes", "1", "True"},
	"ORDER_TOKEN_AUDIENCE": {" "},
	"ORDER_TOKEN_ISSUER":   {"https://login.shop.example"},
	"ORDER_TOKEN_JWKS_URL": {
		"https://login.shop.example/keys", "http://login.shop.example/keys", "login.shop.example/keys", "/keys",
		"https:///keys", "https://:443/keys", "file:///etc/hunter2", "ftp://login.shop.example/keys",
		"https://joe:hunter2@login.shop.example/keys", "https://login.shop.example/keys#hunter2",
		"http://127.0.0.1.shop.example/keys", "http://localhost.shop.example/keys", "http://10.0.0.1/keys?key=hunter2",
		"http://[fe80::1]/keys", "http://0.0.0.0/keys", "http://2130706433/keys",
		"https://login.shop.example:port/hunter2", "data:application/json,{}", "https://%zz/hunter2",
	},
	"ORDER_TOKEN_TTL":       {"15", "0s", "25h", "999ms"},
	"MAX_FAILED_ATTEMPTS":   {"0", "ten", "1001", "off"},
	"SUCCESS_VERIFICATION":  {"on", "Before", "true"},
	"PAYMENT_RETENTION":     {"719h", "550d", "forever"},
	"PAYMENT_ABANDON_AFTER": {"59m", "7d", "never", "0"},
	"EVENT_RETENTION":       {"1h", "30d", "forever"},
	"LOG_LEVEL":             {"loud", "7"},
	"LOG_FORMAT":            {"xml", "JSON"},
	"OTEL_EXPORTER_OTLP_ENDPOINT": {
		"collector:4318", "ftp://collector.example", "https://", "https://joe:hunter2@collector:port",
	},
	"OTEL_SDK_DISABLED":          {"yes", "1"},
	"RATE_LIMIT_SERVICE":         {"0/s", "-1/s", "010/s", "1000000/s", "1.5/s", "10", "10/d", "OFF", "hunter2/s"},
	"RATE_LIMIT_FRONTEND":        {"0/s", "ten/s", "10/S"},
	"RATE_LIMIT_FRONTEND_STRIPE": {"0/m", "20", "20/M"},
	"RATE_LIMIT_ADDRESS":         {"0/s", "10/", "unlimited"},
	"TRUSTED_PROXIES": {
		"*", "0.0.0.0/0", "::/0", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/8,", "proxy.hunter2.example",
	},
	"CORS_ALLOWED_ORIGINS": {
		"*", "null", "https://*.shop.example", "https://shop.example,*", "https://shop.example/",
		"https://Shop.example", "https://shop.example:443", "https://joe:hunter2@shop.example", "shop.example",
	},
}

// TestEveryMistakeIsNamed: a wrong value of each variable is reported by the variable's name, without the
// value.
func TestEveryMistakeIsNamed(t *testing.T) {
	for variable, values := range mistaken {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				_, err := load(t, map[string]string{variable: value})
				if err == nil || !strings.Contains(err.Error(), variable+" ") {
					t.Fatalf("the mistake is not named: %v", err)
				}
				if strings.Contains(
					err.Error(), "hunter2",
				) || (len(value) > 12 && strings.Contains(err.Error(), value)) {
					t.Errorf("a value is shown: %v", err)
				}
			})
		}
	}
}

// TestMistakesAllAtOnce: one start reports every mistake.
func TestMistakesAllAtOnce(t *testing.T) {
	for n := range 3 {
		wrong := map[string]string{
			"REDIS_MODE": "", "ORDER_TOKEN_ISSUER": "",
		} // a valid mode also checks the URL; an invalid one is reported alone
		for variable, values := range mistaken {
			if _, fixed := wrong[variable]; !fixed {
				wrong[variable] = values[n%len(values)]
			}
		}
		_, err := load(t, wrong)
		if err == nil {
			t.Fatal("it is taken")
		}
		for variable, value := range wrong {
			if value != "" && !strings.Contains(err.Error(), variable+" ") {
				t.Errorf("%s=%s is not named: %v", variable, value, err)
			}
			if len(value) > 12 && strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a value is shown: %v", err)
			}
		}
	}
}

// TestNoVariableGoesUnchecked: every variable has a line in the table, except those of free text.
func TestNoVariableGoesUnchecked(t *testing.T) {
	for field := range reflect.TypeFor[environment]().Fields() {
		if variable, isFile := strings.CutSuffix(
			field.Tag.Get("envconfig"), "_FILE",
		); !isFile && mistaken[variable] == nil {
			t.Errorf("nothing is known that %s may not be", variable)
		}
	}
}

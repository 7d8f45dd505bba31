package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// validWebhook is a correct webhook endpoint. These tests cause no event that Stripe would deliver
// to it.
var validWebhook = stripesim.Webhook{URL: "http://127.0.0.1:9/webhooks/stripe", Secret: hookSecret}

// checked runs kasse check, and returns its exit code and its output.
func (w *processEnv) checked(changes map[string]string) (code int, found string) {
	w.t.Helper()
	p := w.command(changes, "check")
	for _, secret := range []string{stripeKey, hookSecret, oldHookSecret, "hunter2"} {
		if strings.Contains(p.stdout.String()+p.stderr.String(), secret) {
			w.t.Errorf("the output of kasse check contains the secret %s", secret)
		}
	}
	return p.command.ProcessState.ExitCode(), p.stdout.String()
}

// expectLines fails the test unless each wanted text matches one line of the output. The line
// contains the parts between " … " in their order.
func expectLines(t *testing.T, found string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		matched := false
		for line := range strings.Lines(found) {
			rest, all := line, true
			for word := range strings.SplitSeq(want, " … ") {
				var ok bool
				if _, rest, ok = strings.Cut(rest, word); !ok {
					all = false
					break
				}
			}
			matched = matched || all
		}
		if !matched {
			t.Errorf("no line of the output matches %q:\n%s", want, found)
		}
	}
}

// TestCheckOfGoodSetup: kasse check of a correct setup reports only lines with ok, and changes
// nothing in Redis.
func TestCheckOfGoodSetup(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{validWebhook}}, keepsWrites...)
	code, found := w.checked(nil)
	expect(t, "exit code before the first start", code, 0)
	expectLines(t, found, "warning  redis: is not initialised")
	p := w.serve(1, nil)[0]
	redis := w.openRedis()
	wait.UntilTrue(t, "the account in each partition", func() bool {
		for _, meta := range redis.Keys(t.Context(), "kasse:{*}:meta").Val() {
			if redis.HGet(t.Context(), meta, "account").Val() == "" {
				return false
			}
		}
		return true
	})
	expect(t, "/readyz", p.probe("/readyz"), http.StatusOK)
	p.terminate() // a running server would also write to Redis
	expect(t, "exit code of the server", p.exitCode(), 0)
	before := storetest.DumpAll(t.Context(), redis)
	code, found = w.checked(nil)
	expect(t, "exit code", code, 0)
	expectLines(t, found, "ok       configuration: complete … test keys", "ok       stripe: answers; account acct_",
		"ok       stripe: the clocks agree",
		"ok       stripe: the webhook endpoint … has the events", "ok       redis: … answers, version 7.",
		`ok       durability: class "every write": may lose nothing`,
		"ok       redis: is initialised for Stripe account acct_")
	if strings.Contains(found, "warning") || strings.Contains(found, "wrong") {
		t.Errorf("kasse check of a correct setup reports a problem:\n%s", found)
	}
	for key, content := range storetest.DumpAll(t.Context(), redis) { // keys that are gone may have expired
		expect(t, "content of "+key+" after kasse check", content, before[key])
	}
}

// checkCase is a configuration, with the exit code and lines of kasse check.
type checkCase struct {
	changes map[string]string // of the settings
	code    int
	lines   []string
}

// badSettings returns cases with one mistake in the settings each. Redis stores nothing on its
// disk, and Stripe is configured correctly.
func badSettings(redisURL string) map[string]checkCase {
	return map[string]checkCase{
		"no durability": {
			nil, 0, []string{`ok       durability: class "none"`, "warning  durability: … appendonly yes"},
		},
		"no durability, but required": {
			map[string]string{"REDIS_DURABILITY": "require"}, 1, []string{"wrong    durability: … appendonly yes"},
		},
		"too few replicas": {
			map[string]string{"REDIS_WAIT_REPLICAS": "1"},
			1,
			[]string{"wrong    redis: … 0 replicas … REDIS_WAIT_REPLICAS"},
		},
		"not a cluster": {
			map[string]string{"REDIS_MODE": "cluster"},
			1,
			[]string{"wrong    redis: REDIS_MODE is cluster, but the server is a standalone server"},
		},
		"no sentinel": {
			map[string]string{"REDIS_MODE": "sentinel", "REDIS_URL": redisURL + "?master_name=kasse"},
			1,
			[]string{"wrong    redis: REDIS_MODE is sentinel"},
		},
		"no server at REDIS_URL": {
			map[string]string{"REDIS_URL": "redis://joe:hunter2@127.0.0.1:1/0"},
			1,
			[]string{"wrong    redis: does not answer"},
		},
		"no server at STRIPE_API_BASE": {
			map[string]string{"STRIPE_API_BASE": "http://127.0.0.1:1"},
			1,
			[]string{"wrong    stripe: http://127.0.0.1:1 does not answer"},
		},
		"misspelt variables": {map[string]string{
			"CORS_ORIGINS": "https://hunter2.example", "REDIS_DURABILTY": "require",
			"STRIPE_WEBHOOK_SECRET": "whsec_hunter2",
		}, 0, []string{
			"warning  configuration: CORS_ORIGINS … CORS_ALLOWED_ORIGINS",
			"warning  configuration: REDIS_DURABILTY … REDIS_DURABILITY",
			"warning  configuration: STRIPE_WEBHOOK_SECRET … STRIPE_WEBHOOK_SECRETS",
		}},
		"malformed values": {map[string]string{"SERVICE_NAME": "Hunter 2", "STRIPE_SECRET_KEY": "hunter2"}, 1, []string{
			"wrong    configuration: SERVICE_NAME", "wrong    configuration: STRIPE_SECRET_KEY",
		}},
		"TLS without a TLS server": {
			map[string]string{"REDIS_URL": strings.Replace(redisURL, "redis://", "rediss://", 1)},
			1,
			[]string{"wrong    redis: … answers without TLS … rediss://"},
		},
	}
}

// TestCheckReportsBadSettings: kasse check reports each mistake in the settings by its line.
func TestCheckReportsBadSettings(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{validWebhook}})
	for name, test := range badSettings(w.redis.URL()) {
		t.Run(name, func(t *testing.T) {
			code, found := w.forSubtest(t).checked(test.changes)
			expect(t, "exit code", code, test.code)
			expectLines(t, found, test.lines...)
		})
	}
}

// badServers are cases with correct settings, and with one mistake at Stripe or Redis each.
var badServers = map[string]struct {
	stripe stripesim.Options
	redis  []string // arguments
	checkCase
}{
	"no webhook endpoint": {checkCase: checkCase{lines: []string{"warning  stripe: no webhook endpoint"}}},
	"webhook endpoint with too few event types": {
		stripe: stripesim.Options{Webhooks: []stripesim.Webhook{
			{URL: validWebhook.URL, Secret: hookSecret, Events: []string{"payment_intent.succeeded"}},
		}},
		checkCase: checkCase{nil, 1, []string{"wrong    stripe: … misses events … payment_intent.canceled"}},
	},
	"wrong clock of Stripe": {
		stripe:    stripesim.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Minute) }},
		checkCase: checkCase{nil, 1, []string{"wrong    stripe: the clock … ahead of"}},
	},
	"Redis evicts keys": {
		redis:     append(slices.Clone(keepsWrites), "--maxmemory-policy", "allkeys-lru"),
		checkCase: checkCase{nil, 1, []string{"wrong    redis: … maxmemory-policy allkeys-lru … noeviction"}},
	},
	"Redis evicts keys with an expiry": {
		redis: append(slices.Clone(keepsWrites), "--maxmemory-policy", "volatile-ttl"),
		checkCase: checkCase{
			map[string]string{"REDIS_DURABILITY": "off"},
			1,
			[]string{"wrong    redis: … maxmemory-policy volatile-ttl … noeviction"},
		},
	},
	"Redis is nearly full": {
		redis:     []string{"--maxmemory", "1000000"},
		checkCase: checkCase{nil, 1, []string{"wrong    redis: … of maxmemory"}},
	},
	"Redis refuses CONFIG": {
		redis:     []string{"--appendonly", "yes", "--rename-command", "CONFIG", ""},
		checkCase: checkCase{lines: []string{`class "unknown"`, "CONFIG is refused"}},
	},
}

// TestCheckReportsBadServers: kasse check reports each mistake at Stripe or Redis by its line.
func TestCheckReportsBadServers(t *testing.T) {
	t.Parallel()
	for name, test := range badServers {
		t.Run(name, func(t *testing.T) {
			code, found := newEnv(t, test.stripe, test.redis...).checked(test.changes)
			expect(t, "exit code", code, test.code)
			expectLines(t, found, test.lines...)
		})
	}
}

// TestCheckOfRefusedKey: kasse check distinguishes a key that Stripe refuses, and a restricted key,
// from a Stripe that does not answer.
func TestCheckOfRefusedKey(t *testing.T) {
	t.Parallel()
	for status, want := range map[int][]string{
		http.StatusUnauthorized: {"wrong    stripe: Stripe does not know STRIPE_SECRET_KEY"},
		http.StatusForbidden: {
			"warning  stripe: the restricted key may not read its account", "ok       stripe: the clocks agree",
			"warning  stripe: the webhook endpoints were not checked",
		},
	} {
		stripe := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","message":"no"}}`))
		}))
		t.Cleanup(stripe.Close)
		w := newEnv(t, stripesim.Options{})
		code, found := w.checked(map[string]string{"STRIPE_API_BASE": stripe.URL})
		wantCode := 0
		if status == http.StatusUnauthorized {
			wantCode = 1
		}
		expect(t, fmt.Sprintf("exit code if Stripe answers %d", status), code, wantCode)
		expectLines(t, found, want...)
	}
}

// TestCheckOfAnotherService: kasse check distinguishes a Redis of another service from one that
// does not answer.
func TestCheckOfAnotherService(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.serve(1, nil)
	code, found := w.checked(map[string]string{"SERVICE_NAME": "another", "REDIS_PARTITIONS": "8"})
	expect(t, "exit code", code, 1)
	expectLines(t, found, "wrong    redis: … another")
	code, found = w.checked(map[string]string{"REDIS_PARTITIONS": "2"})
	expect(t, "exit code", code, 1)
	expectLines(t, found, "wrong    redis: … partitions")
}

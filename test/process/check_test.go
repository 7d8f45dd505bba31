package process_test

import (
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

// ourHook is a webhook endpoint as it should be; nothing happens in these tests that would be delivered to it.
var ourHook = stripesim.Webhook{URL: "http://127.0.0.1:9/webhooks/stripe", Secret: hookSecret}

// checked runs kasse check, and returns its exit code and what it found.
func (w *processEnv) checked(changes map[string]string) (code int, found string) {
	w.t.Helper()
	p := w.command(changes, "check")
	for _, secret := range []string{stripeKey, hookSecret, oldHookSecret, "hunter2"} {
		if strings.Contains(p.stdout.String()+p.stderr.String(), secret) {
			w.t.Errorf("it shows %s", secret)
		}
	}
	return p.command.ProcessState.ExitCode(), p.stdout.String()
}

// lines fails the test unless each of the wanted is found in one line, its words in their order.
func lines(t *testing.T, found string, wanted ...string) {
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
			t.Errorf("no line says %q:\n%s", want, found)
		}
	}
}

func TestCheckOfWhatIsWell(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}}, keepsWrites...)
	code, found := w.checked(nil)
	expect(t, "exit code before the first start", code, 0)
	lines(t, found, "warning  redis: is not initialised")
	p := w.serve(1, nil)[0]
	redis := w.openRedis()
	wait.Until(t, "the account in Redis", func() error {
		for _, meta := range redis.Keys(t.Context(), "kasse:{*}:meta").Val() {
			if redis.HGet(t.Context(), meta, "account").Val() == "" {
				return yet(false)
			}
		}
		return nil
	})
	expect(t, "/readyz", p.probe("/readyz"), http.StatusOK)
	p.terminate() // it writes too
	expect(t, "exit code of the server", p.exitCode(), 0)
	before := storetest.DumpAll(t.Context(), redis)
	code, found = w.checked(nil)
	expect(t, "exit code", code, 0)
	lines(t, found, "ok       configuration: complete … test keys", "ok       stripe: answers; account acct_",
		"ok       stripe: the clocks agree",
		"ok       stripe: the webhook endpoint … has the events", "ok       redis: … answers, version 7.",
		`ok       durability: class "every write": may lose nothing`,
		"ok       redis: is initialised for Stripe account acct_")
	if strings.Contains(found, "warning") || strings.Contains(found, "wrong") {
		t.Errorf("it finds something:\n%s", found)
	}
	for key, content := range storetest.DumpAll(t.Context(), redis) { // others may have expired
		expect(t, key+" after kasse check", content, before[key])
	}
}

// checkCase is a configuration, and the lines that kasse check prints.
type checkCase struct {
	changes map[string]string // of the settings
	code    int
	says    []string
}

// carelessSettings are checked where Redis keeps nothing on its disk, and Stripe is configured well.
func carelessSettings(redisURL string) map[string]checkCase {
	return map[string]checkCase{
		"keeps nothing": {
			nil, 0, []string{`ok       durability: class "none"`, "warning  durability: … appendonly yes"},
		},
		"and should": {
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
		"no server at Stripe's": {
			map[string]string{"STRIPE_API_BASE": "http://127.0.0.1:1"},
			1,
			[]string{"wrong    stripe: http://127.0.0.1:1 does not answer"},
		},
		"misspelt": {map[string]string{
			"CORS_ORIGINS": "https://hunter2.example", "REDIS_DURABILTY": "require",
			"STRIPE_WEBHOOK_SECRET": "whsec_hunter2",
		}, 0, []string{
			"warning  configuration: CORS_ORIGINS … CORS_ALLOWED_ORIGINS",
			"warning  configuration: REDIS_DURABILTY … REDIS_DURABILITY",
			"warning  configuration: STRIPE_WEBHOOK_SECRET … STRIPE_WEBHOOK_SECRETS",
		}},
		"mistaken": {map[string]string{"SERVICE_NAME": "Hunter 2", "STRIPE_SECRET_KEY": "hunter2"}, 1, []string{
			"wrong    configuration: SERVICE_NAME", "wrong    configuration: STRIPE_SECRET_KEY",
		}},
		"TLS where there is none": {
			map[string]string{"REDIS_URL": strings.Replace(redisURL, "redis://", "rediss://", 1)},
			1,
			[]string{"wrong    redis: … answers without TLS … rediss://"},
		},
	}
}

// TestCheckOfCarelessSettings has one mistake in the settings in each case, and looks for its line.
func TestCheckOfCarelessSettings(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}})
	for name, test := range carelessSettings(w.redis.URL()) {
		t.Run(name, func(t *testing.T) {
			code, found := w.in(t).checked(test.changes)
			expect(t, "exit code", code, test.code)
			lines(t, found, test.says...)
		})
	}
}

// carelessServers are configured well, and use a Stripe or a Redis that is not.
var carelessServers = map[string]struct {
	stripe stripesim.Options
	redis  []string // arguments
	checkCase
}{
	"no endpoint": {checkCase: checkCase{says: []string{"warning  stripe: no webhook endpoint"}}},
	"endpoint with too few event types": {
		stripe: stripesim.Options{Webhooks: []stripesim.Webhook{
			{URL: ourHook.URL, Secret: hookSecret, Events: []string{"payment_intent.succeeded"}},
		}},
		checkCase: checkCase{nil, 1, []string{"wrong    stripe: … misses events … payment_intent.canceled"}},
	},
	"clock": {
		stripe:    stripesim.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Minute) }},
		checkCase: checkCase{nil, 1, []string{"wrong    stripe: the clock … ahead of"}},
	},
	"evicts": {
		redis:     append(slices.Clone(keepsWrites), "--maxmemory-policy", "allkeys-lru"),
		checkCase: checkCase{nil, 1, []string{"wrong    redis: … maxmemory-policy allkeys-lru … noeviction"}},
	},
	"evicts what expires": {
		redis: append(slices.Clone(keepsWrites), "--maxmemory-policy", "volatile-ttl"),
		checkCase: checkCase{
			map[string]string{"REDIS_DURABILITY": "off"},
			1,
			[]string{"wrong    redis: … maxmemory-policy volatile-ttl … noeviction"},
		},
	},
	"nearly full": {
		redis:     []string{"--maxmemory", "1000000"},
		checkCase: checkCase{nil, 1, []string{"wrong    redis: … of maxmemory"}},
	},
	"mute": {
		redis:     []string{"--appendonly", "yes", "--rename-command", "CONFIG", ""},
		checkCase: checkCase{says: []string{`class "unknown"`, "CONFIG is refused"}},
	},
}

// TestCheckOfCarelessServers has one mistake at Stripe or Redis in each case, and looks for its line.
func TestCheckOfCarelessServers(t *testing.T) {
	t.Parallel()
	for name, test := range carelessServers {
		t.Run(name, func(t *testing.T) {
			code, found := newEnv(t, test.stripe, test.redis...).checked(test.changes)
			expect(t, "exit code", code, test.code)
			lines(t, found, test.says...)
		})
	}
}

// A key that Stripe refuses, or that may not read everything, is reported differently from a Stripe that is away.
func TestCheckOfAKey(t *testing.T) {
	t.Parallel()
	for status, says := range map[int][]string{
		http.StatusUnauthorized: {"wrong    stripe: Stripe does not know STRIPE_SECRET_KEY"},
		http.StatusForbidden: {
			"warning  stripe: the restricted key may not read its account", "ok       stripe: the clocks agree",
			"warning  stripe: the webhook endpoints were not checked",
		},
	} {
		refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","message":"no"}}`))
		}))
		t.Cleanup(refuses.Close)
		w := newEnv(t, stripesim.Options{})
		code, found := w.checked(map[string]string{"STRIPE_API_BASE": refuses.URL})
		expect(t, "exit code", code, map[bool]int{true: 1, false: 0}[status == http.StatusUnauthorized])
		lines(t, found, says...)
	}
}

// A Redis that belongs to another service is reported differently from one that is away.
func TestCheckOfAnotherIdentity(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.serve(1, nil)
	code, found := w.checked(map[string]string{"SERVICE_NAME": "another", "REDIS_PARTITIONS": "8"})
	expect(t, "exit code", code, 1)
	lines(t, found, "wrong    redis: … another")
	code, found = w.checked(map[string]string{"REDIS_PARTITIONS": "2"})
	expect(t, "exit code", code, 1)
	lines(t, found, "wrong    redis: … partitions")
}

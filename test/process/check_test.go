package process_test

import (
	"net/http"
	"net/http/httptest"
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
func (w *world) checked(changes map[string]string) (code int, found string) {
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
	w := newWorld(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}}, keepsWrites...)
	code, found := w.checked(nil)
	expect(t, "exit code before the first start", code, 0)
	lines(t, found, "warning  redis: is not marked as ours")
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
		"ok       redis: is ours, of Stripe account acct_")
	if strings.Contains(found, "warning") || strings.Contains(found, "wrong") {
		t.Errorf("it finds something:\n%s", found)
	}
	for key, content := range storetest.DumpAll(t.Context(), redis) { // others may have expired
		expect(t, key+" after kasse check", content, before[key])
	}
}

// TestCheckOfWhatIsNot has one thing that is off in each case, and looks for the line that says so.
func TestCheckOfWhatIsNot(t *testing.T) {
	t.Parallel()
	careless := newWorld(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}})
	tests := map[string]struct {
		world   *world
		changes map[string]string
		code    int
		says    []string
	}{
		"keeps nothing": {
			careless, nil, 0,
			[]string{`ok       durability: class "none"`, "warning  durability: … appendonly yes"},
		},
		"and should": {
			careless,
			map[string]string{"REDIS_DURABILITY": "require"},
			1,
			[]string{"wrong    durability: … appendonly yes"},
		},
		"too few replicas": {
			careless,
			map[string]string{"REDIS_WAIT_REPLICAS": "1"},
			1,
			[]string{"wrong    redis: … 0 replicas … REDIS_WAIT_REPLICAS"},
		},
		"not a cluster": {
			careless,
			map[string]string{"REDIS_MODE": "cluster"},
			1,
			[]string{"wrong    redis: REDIS_MODE is cluster, and a standalone server answers"},
		},
		"no sentinel": {
			careless,
			map[string]string{"REDIS_MODE": "sentinel", "REDIS_URL": careless.redis.URL() + "?master_name=kasse"},
			1,
			[]string{"wrong    redis: REDIS_MODE is sentinel"},
		},
		"no server at REDIS_URL": {
			careless,
			map[string]string{"REDIS_URL": "redis://joe:hunter2@127.0.0.1:1/0"},
			1,
			[]string{"wrong    redis: does not answer"},
		},
		"no server at Stripe's": {
			careless,
			map[string]string{"STRIPE_API_BASE": "http://127.0.0.1:1"},
			1,
			[]string{"wrong    stripe: http://127.0.0.1:1 does not answer"},
		},
		"misspelt": {careless, map[string]string{
			"CORS_ORIGINS": "https://hunter2.example", "REDIS_DURABILTY": "require",
			"STRIPE_WEBHOOK_SECRET": "whsec_hunter2",
		}, 0, []string{
			"warning  configuration: CORS_ORIGINS … CORS_ALLOWED_ORIGINS",
			"warning  configuration: REDIS_DURABILTY … REDIS_DURABILITY",
			"warning  configuration: STRIPE_WEBHOOK_SECRET … STRIPE_WEBHOOK_SECRETS",
		}},
		"mistaken": {careless, map[string]string{
			"SERVICE_NAME": "Hunter 2", "STRIPE_SECRET_KEY": "hunter2",
		}, 1, []string{
			"wrong    configuration: SERVICE_NAME", "wrong    configuration: STRIPE_SECRET_KEY",
		}},
		"no endpoint": {newWorld(t, stripesim.Options{}), nil, 0, []string{"warning  stripe: no webhook endpoint"}},
		"endpoint with too few event types": {
			newWorld(t, stripesim.Options{Webhooks: []stripesim.Webhook{
				{URL: ourHook.URL, Secret: hookSecret, Events: []string{"payment_intent.succeeded"}},
			}}), nil, 1,
			[]string{"wrong    stripe: … misses events … payment_intent.canceled"},
		},
		"clock": {
			newWorld(t, stripesim.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Minute) }}), nil, 1,
			[]string{"wrong    stripe: the clock … ahead of"},
		},
		"evicts": {
			newWorld(t, stripesim.Options{}, append(keepsWrites, "--maxmemory-policy", "allkeys-lru")...), nil, 1,
			[]string{"wrong    redis: … (allkeys-lru) … noeviction"},
		},
		"evicts what expires": {
			newWorld(t, stripesim.Options{}, append(keepsWrites, "--maxmemory-policy", "volatile-ttl")...),
			map[string]string{"REDIS_DURABILITY": "off"},
			1,
			[]string{"wrong    redis: … (volatile-ttl) … noeviction"},
		},
		"TLS where there is none": {
			careless,
			map[string]string{"REDIS_URL": strings.Replace(careless.redis.URL(), "redis://", "rediss://", 1)},
			1,
			[]string{"wrong    redis: … answers without TLS … rediss://"},
		},
		"nearly full": {
			newWorld(t, stripesim.Options{}, "--maxmemory", "1000000"), nil, 1,
			[]string{"wrong    redis: … of maxmemory"},
		},
		"mute": {
			newWorld(t, stripesim.Options{}, "--appendonly", "yes", "--rename-command", "CONFIG", ""), nil, 0,
			[]string{`class "unknown"`, "CONFIG is refused"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, found := test.world.in(t).checked(test.changes)
			expect(t, "exit code", code, test.code)
			lines(t, found, test.says...)
		})
	}
}

// A key that Stripe refuses, or that may not read everything, is reported differently from a Stripe that is away.
func TestCheckOfAKey(t *testing.T) {
	t.Parallel()
	for status, says := range map[int][]string{
		http.StatusUnauthorized: {"wrong    stripe: STRIPE_SECRET_KEY"},
		http.StatusForbidden: {
			"warning  stripe: the restricted key may not read its account", "ok       stripe: the clocks agree",
			"warning  stripe: the webhook endpoints were not looked at",
		},
	} {
		refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","message":"no"}}`))
		}))
		t.Cleanup(refuses.Close)
		w := newWorld(t, stripesim.Options{})
		code, found := w.checked(map[string]string{"STRIPE_API_BASE": refuses.URL})
		expect(t, "exit code", code, map[bool]int{true: 1, false: 0}[status == http.StatusUnauthorized])
		lines(t, found, says...)
	}
}

// A Redis that belongs to another service is reported differently from one that is away.
func TestCheckOfAnotherIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stripesim.Options{})
	w.serve(1, nil)
	code, found := w.checked(map[string]string{"SERVICE_NAME": "another", "REDIS_PARTITIONS": "8"})
	expect(t, "exit code", code, 1)
	lines(t, found, "wrong    redis: … another")
	code, found = w.checked(map[string]string{"REDIS_PARTITIONS": "2"})
	expect(t, "exit code", code, 1)
	lines(t, found, "wrong    redis: … partitions")
}

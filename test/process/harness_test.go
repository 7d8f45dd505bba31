// Package process_test runs Kasse as in production: several processes of the binary, a real
// redis-server, and signals. Only Stripe is simulated. Its webhooks arrive through a balancer.
//
// No measured time decides a test. Every wait is for a condition, with a deadline that only a
// broken run reaches.
package process_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"kasse/service"
	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// binaries is the directory of the built programs. TestMain removes it at the end.
var binaries string

// atOnce is how many tests run at the same time. Most of them wait most of the time: for the end of
// a lease, for a drain, or for a retry.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	err := error(nil)
	if !chosen {
		err = flag.Set("test.parallel", atOnce)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if binaries, err = os.MkdirTemp("", "kasse-process-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(binaries)
		os.Exit(code)
	}))
}

var (
	kasseBinary    = sync.OnceValues(func() (string, error) { return build("kasse/cmd/kasse") })
	kasseDevBinary = sync.OnceValues(func() (string, error) { return build("kasse/cmd/kasse-dev") })
	consumerBinary = sync.OnceValues(func() (string, error) { return build("kasse/examples/consumer-go") })
	receiverBinary = sync.OnceValues(func() (string, error) { return build("kasse/test/push/receiver") })
)

// build compiles a program. It uses the race detector if the test itself does.
func build(pkg string) (string, error) {
	if err := testenv.OpenSources("../..", "examples/consumer-go", "test/push/receiver"); err != nil {
		return "", err
	}
	path := filepath.Join(binaries, filepath.Base(pkg))
	args := []string{"build", "-ldflags=-s -w", "-o", path} // linking without debug data takes half as long
	if raceDetector {
		args = append(args, "-race")
	}
	output, err := exec.Command("go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, output)
	}
	return path, nil
}

func binary(t *testing.T, built func() (string, error)) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Settings of the processes. The credentials are valid only for these tests.
const (
	stripeKey      = "sk_test_processtest1234567890"
	publishableKey = "pk_test_processtest1234567890"
	hookSecret     = "whsec_processtest_current_1234567890"
	oldHookSecret  = "whsec_processtest_previous_123456789"
	backendKey     = "ksk_processtest_backend_abcdefghijklmnopqrst"
	readerKey      = "ksk_processtest_reader_abcdefghijklmnopqrstu"
)

// processEnv is the environment that the processes of one test share.
type processEnv struct {
	t        *testing.T
	redis    *storetest.Server
	sim      *stripesim.Server
	stripe   string // base URL of the simulator
	balancer *balancer
	client   *http.Client
}

// newEnv starts a Redis and a simulated Stripe, which sends its webhooks to the processes in turn.
func newEnv(t *testing.T, o stripesim.Options, redisArgs ...string) *processEnv {
	t.Helper()
	return newEnvOn(t, storetest.NewServer(t, redisArgs...), o)
}

// newEnvOn is newEnv with a Redis that runs already.
func newEnvOn(t *testing.T, redis *storetest.Server, o stripesim.Options) *processEnv {
	t.Helper()
	w := &processEnv{t: t, redis: redis, client: newClient(t), balancer: &balancer{client: newClient(t)}}
	webhooks := httptest.NewServer(w.balancer)
	t.Cleanup(webhooks.Close)
	o.Webhooks = append(o.Webhooks, stripesim.Webhook{URL: webhooks.URL, Secret: hookSecret})
	w.sim = stripesim.New(o)
	server := httptest.NewServer(w.sim)
	t.Cleanup(func() { w.sim.Close(); server.Close() })
	w.stripe = server.URL
	return w
}

// newClient returns a client for many simultaneous requests. Its deadline ends a hanging request,
// so that the test can report which one hangs.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 1000}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: wait.Patience}
}

// settings returns the variables of a process of this environment, with a test's changes. An empty
// value removes a variable.
func (w *processEnv) settings(changes map[string]string) map[string]string {
	env := map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "DRAIN_DELAY": "0s", "SHUTDOWN_TIMEOUT": "20s",
		"REDIS_URL": w.redis.URL(), "REDIS_PARTITIONS": "4",
		"STRIPE_API_BASE": w.stripe, "STRIPE_SECRET_KEY": stripeKey, "STRIPE_PUBLISHABLE_KEY": publishableKey,
		"STRIPE_WEBHOOK_SECRETS": hookSecret + "," + oldHookSecret, "STRIPE_READ_RPS": "100",
		"SERVICE_KEYS": keyEntry("backend", backendKey, service.JoinScopes("+")) + "," +
			keyEntry("reader", readerKey, "read"),
		"LOG_LEVEL": "debug",
		// The tests send far more requests than a page does.
		"RATE_LIMIT_SERVICE": "off", "RATE_LIMIT_FRONTEND": "off", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "off",
	}
	maps.Copy(env, changes)
	return env
}

// forSubtest returns the same environment for a subtest.
func (w *processEnv) forSubtest(t *testing.T) *processEnv {
	t.Helper()
	return &processEnv{t: t, redis: w.redis, sim: w.sim, stripe: w.stripe, balancer: w.balancer, client: w.client}
}

// serve starts count processes, waits until each is ready, and adds them to the balancer.
func (w *processEnv) serve(count int, changes map[string]string) []*process {
	w.t.Helper()
	all := make([]*process, count)
	for i := range all {
		all[i] = w.start(changes)
	}
	for _, p := range all {
		p.awaitReady()
		w.balancer.add(p.public)
	}
	return all
}

// start starts one process and waits until it listens.
func (w *processEnv) start(changes map[string]string) *process {
	w.t.Helper()
	p := run(w.t, binary(w.t, kasseBinary), w.settings(changes), "serve")
	p.client = w.client
	p.awaitListening()
	return p
}

// randomSeed returns the seed of this run, and logs it. KASSE_TEST_SEED repeats a seed.
func randomSeed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if given, err := strconv.ParseUint(os.Getenv("KASSE_TEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("KASSE_TEST_SEED=%d", seed)
	return seed
}

// expect fails the test unless got is equal to want. what names the value.
func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// expectContains fails the test unless the text contains each wanted one.
func expectContains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not contain %q:\n%s", want, text)
		}
	}
}

package process_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
)

// command runs a command of kasse to its end.
func (w *processEnv) command(changes map[string]string, args ...string) *process {
	w.t.Helper()
	p := run(w.t, binary(w.t, kasseBinary), w.settings(changes), args...)
	p.exitCode()
	return p
}

// TestMistakesInTheConfiguration: the start reports all mistakes at once, by variable and without
// the value.
func TestMistakesInTheConfiguration(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	mistakes := map[string]string{
		"LISTEN_ADDR": "nowhere-9371", "ADMIN_ADDR": "9372", "DRAIN_DELAY": "soon9373", "SHUTDOWN_TIMEOUT": "-9374s",
		"REDIS_URL": "postgres://joe:pass9375@localhost", "REDIS_PARTITIONS": "9376",
		"STRIPE_SECRET_KEY": "pk_test_9377", "STRIPE_PUBLISHABLE_KEY": "sk_test_9378",
		"STRIPE_WEBHOOK_SECRETS": "whsec_9379",
		"STRIPE_API_BASE":        "ftp://9381", "STRIPE_TIMEOUT": "9382", "STRIPE_READ_RPS": "9383",
		"SERVICE_KEYS": "ksk_9384_kasse_kasse_kasse_kasse_kasse_kasse", "SERVICE_NAME": "Shop_9385",
		"ORDER_TOKEN_SECRETS": "now:c2hvcnQ9386", "ORDER_TOKEN_TTL": "9387h", "MAX_FAILED_ATTEMPTS": "-9388",
		"RATE_LIMIT_SERVICE": "9392/d", "RATE_LIMIT_FRONTEND": "9393", "RATE_LIMIT_ADDRESS": "-9394/s",
		"TRUSTED_PROXIES": "9395", "CORS_ALLOWED_ORIGINS": "https://*.9396.example",
		"PAYMENT_RETENTION": "93ms", "EVENT_RETENTION": "94ms", "LOG_LEVEL": "loud9389", "LOG_FORMAT": "xml9391",
	}
	p := w.command(mistakes, "serve")
	expect(t, "exit code", p.command.ProcessState.ExitCode(), 1)
	message := p.stderr.String()
	for variable, value := range mistakes {
		if !strings.Contains(message, variable+" ") {
			t.Errorf("the message does not name %s", variable)
		}
		if digits := regexp.MustCompile(`9\d+`).FindString(value); strings.Contains(message, digits) {
			t.Errorf("the message contains the value of %s", variable)
		}
	}
	expect(t, "number of lines of the message", strings.Count(message, "\n"), len(mistakes))
	if t.Failed() {
		t.Log(message)
	}
}

// TestMistakesInTwoVariables: the start reports variables that are missing or that contradict each
// other, without their values.
func TestMistakesInTwoVariables(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_from_a_file_1234567890\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mistake := range []struct {
		variable string // in the message
		changes  map[string]string
	}{
		{"STRIPE_WEBHOOK_SECRETS", map[string]string{"STRIPE_WEBHOOK_SECRETS_FILE": file}},
		{
			"STRIPE_WEBHOOK_SECRETS_FILE",
			map[string]string{"STRIPE_WEBHOOK_SECRETS": "", "STRIPE_WEBHOOK_SECRETS_FILE": file + "-gone"},
		},
		{"STRIPE_WEBHOOK_SECRETS", map[string]string{"STRIPE_WEBHOOK_SECRETS": ""}},
		{"STRIPE_SECRET_KEY", map[string]string{"STRIPE_SECRET_KEY": ""}},
		{"SERVICE_KEYS", map[string]string{"SERVICE_KEYS": ""}},
		{"STRIPE_PUBLISHABLE_KEY", map[string]string{"STRIPE_PUBLISHABLE_KEY": "pk_live_9371"}},
		{
			"STRIPE_API_BASE",
			map[string]string{"STRIPE_SECRET_KEY": "sk_live_9371", "STRIPE_PUBLISHABLE_KEY": "pk_live_9371"},
		},
	} {
		p := w.command(mistake.changes, "serve")
		expect(t, "exit code", p.command.ProcessState.ExitCode(), 1)
		message := p.stderr.String()
		if !strings.Contains(message, mistake.variable) || strings.Contains(message, "9371") ||
			strings.Contains(message, "from_a_file") {
			t.Errorf("with %v the message is %q, want %s and no value", mistake.changes, message, mistake.variable)
		}
	}
}

// TestKeygen: a server accepts a key from keygen if SERVICE_KEYS_FILE contains the key's entry.
func TestKeygen(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	keygen := w.command(nil, "keygen", "-name", "shop", "-scopes", "read+write")
	expect(t, "exit code", keygen.command.ProcessState.ExitCode(), 0)
	printed := regexp.MustCompile(
		`^Key, for the backend: +(ksk_[A-Za-z0-9_-]{43})\n` +
			`Entry for SERVICE_KEYS: +(shop:[0-9a-f]{64}:read\+write)\n$`,
	).FindStringSubmatch(keygen.stdout.String())
	if printed == nil {
		t.Fatalf("keygen printed %q, want a key and its entry", keygen.stdout.String())
	}
	key, entry := printed[1], printed[2]
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(entry+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := w.serve(1, map[string]string{"SERVICE_KEYS": "", "SERVICE_KEYS_FILE": file})[0]
	v := server.must(
		http.StatusCreated, key, http.MethodPost, "/v1/payments", orderBody("by-key", w.customer()),
	).view(t)
	server.must(http.StatusOK, key, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
	server.must(http.StatusForbidden, key, http.MethodGet, "/v1/events", "")
	server.must(http.StatusUnauthorized, backendKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")

	for _, args := range [][]string{{"-name", "Shop!"}, {"-scopes", "all"}} {
		p := w.command(nil, append([]string{"keygen"}, args...)...)
		expect(t, fmt.Sprintf("exit code of keygen %v", args), p.command.ProcessState.ExitCode(), 1)
		expect(t, fmt.Sprintf("output of keygen %v", args), p.stdout.String(), "")
	}
}

// TestCommandLine: help exits 0, and a mistake in the command line is reported and exits 2. Neither
// needs the configuration, and neither writes to Redis. cmd/kasse tests each command.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	before := w.openRedis().DBSize(t.Context()).Val()
	help := w.command(nil, "--help")
	expect(t, "exit code of --help", help.command.ProcessState.ExitCode(), 0)
	names := regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)  +[a-z]`).FindAllStringSubmatch(help.stdout.String(), -1)
	if len(names) < 11 {
		t.Fatalf("the help lists %d commands, want at least 11: %v", len(names), names)
	}
	for _, args := range [][]string{{"serve", "--help"}, {"events", "replay", "-h"}, {"help", "rebuild"}} {
		p := w.command(map[string]string{"STRIPE_SECRET_KEY": ""}, args...)
		if p.command.ProcessState.ExitCode() != 0 || !strings.HasPrefix(p.stdout.String(), "usage: kasse ") ||
			p.stderr.String() != "" {
			t.Errorf(
				"%v exits %d and prints %q, %q; want 0 and the usage on stdout",
				args, p.command.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String(),
			)
		}
	}
	for line, want := range map[string]string{
		"refund-everything": `unknown command "refund-everything"`, "serve now": `serve: unexpected argument "now"`,
		"rebuild -since -1h": "rebuild: -since",
	} {
		p := w.command(nil, strings.Fields(line)...)
		if p.command.ProcessState.ExitCode() != 2 || !strings.HasPrefix(p.stderr.String(), "kasse: ") ||
			!strings.Contains(p.stderr.String(), want) || p.stdout.String() != "" {
			t.Errorf(
				"%s exits %d and prints %q, %q; want 2 and %q on stderr",
				line, p.command.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String(), want,
			)
		}
	}
	version := w.command(map[string]string{"STRIPE_SECRET_KEY": ""}, "version")
	expect(t, "exit code of version", version.command.ProcessState.ExitCode(), 0)
	want := regexp.MustCompile(`^kasse \S+ \(commit [0-9a-z, ]+; go1\.\S+ \w+/\w+\)\n$`)
	if !want.MatchString(version.stdout.String()) {
		t.Errorf("version prints %q, want a match of %s", version.stdout.String(), want)
	}
	expect(t, "keys in Redis", w.openRedis().DBSize(t.Context()).Val(), before)
}

// TestHealthcheck: kasse healthcheck exits 0 while the server runs, and 1 after its end.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	server := run(t, binary(t, kasseBinary), w.settings(nil)) // kasse without a command serves
	server.client = w.client
	server.awaitListening()
	admin := map[string]string{"ADMIN_ADDR": strings.TrimPrefix(server.admin, "http://")}
	expect(t, "exit code while the server runs", w.command(admin, "healthcheck").command.ProcessState.ExitCode(), 0)
	server.awaitReady()
	server.terminate()
	expect(t, "exit code of the server", server.exitCode(), 0)
	expect(t, "exit code after the server's end", w.command(admin, "healthcheck").command.ProcessState.ExitCode(), 1)
}

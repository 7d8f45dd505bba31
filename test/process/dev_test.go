package process_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kasse/store/storetest"
	"kasse/test/wait"
)

// demo plays kasse-dev's demo to its end.
func demo(t *testing.T, args ...string) *process {
	t.Helper()
	leftovers := map[string]string{ // of a shell that has production's settings: they must not be used
		"STRIPE_SECRET_KEY": "sk_live_left_in_the_shell", "STRIPE_API_BASE": "http://127.0.0.1:1",
		"REDIS_URL": "redis://127.0.0.1:1/0",
	}
	p := run(t, binary(t, kasseDevBinary), leftovers, append([]string{"-demo"}, args...)...)
	p.exitCode()
	return p
}

func TestDemo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"calm":              nil,
		"with mischief":     {"-duplicate", "0.5", "-reorder", "0.5", "-seed", "7"},
		"on a redis-server": {"-redis", storetest.RedisServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			p := demo(t, args...)
			expect(t, "exit code", p.command.ProcessState.ExitCode(), 0)
			lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
			paid, failed := 0, 0
			for _, line := range lines {
				if !strings.HasPrefix(line, "ok ") {
					t.Errorf("a step says %q", line)
				}
				if strings.Contains(line, "the page polls") {
					paid += strings.Count(line, " paid after")
					failed += strings.Count(line, " failed after")
				}
			}
			expect(t, "number of steps", len(lines), 11)
			expect(t, "payments that were paid", paid, 2)
			expect(t, "payments that failed", failed, 1)
			for line := range strings.Lines(p.stderr.String()) {
				if !strings.Contains(line, "rate limits: shared store") { // on a machine that stands still for a moment
					t.Errorf("it also prints %q", line)
				}
			}
		})
	}
}

// The simulated Stripe starts empty each time, so a Redis of an earlier start is refused: kasse-dev prints what to do.
func TestDemoOnUsedRedis(t *testing.T) {
	t.Parallel()
	redis := storetest.RedisServer(t)
	expect(t, "exit code", demo(t, "-redis", redis).command.ProcessState.ExitCode(), 0)
	again := demo(t, "-redis", redis)
	expect(t, "exit code", again.command.ProcessState.ExitCode(), 1)
	if !strings.Contains(again.stderr.String(), "FLUSHDB") {
		t.Errorf("it said %q", again.stderr.String())
	}
}

// Without a single event no payment is ever seen as paid: the step fails, and so does the demo.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	p := demo(t, "-drop", "1")
	expect(t, "exit code", p.command.ProcessState.ExitCode(), 1)
	lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "FAILED  the page polls") ||
		!strings.Contains(last, "still pending; paid was expected") {
		t.Errorf("the last step says %q", last)
	}
	expect(t, "exit code with an unknown flag", demo(t, "-dorp", "1").command.ProcessState.ExitCode(), 2)
	expect(t, "exit code with -real", demo(t, "-real").command.ProcessState.ExitCode(), 1)
}

func TestDevRefusesLiveKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("rk_live_9371"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"STRIPE_SECRET_KEY": "sk_live_9371", "STRIPE_SECRET_KEY_FILE": file} {
		live := map[string]string{
			name: value, "STRIPE_PUBLISHABLE_KEY": "pk_live_9371", "STRIPE_WEBHOOK_SECRETS": hookSecret,
		}
		p := run(t, binary(t, kasseDevBinary), live, "-real", "-addr", ":0", "-admin-addr", ":0", "-shop-addr", ":0",
			"-console-addr", ":0")
		expect(t, "exit code", p.exitCode(), 1)
		if message := p.stderr.String(); !strings.Contains(message, "live key") || strings.Contains(message, "9371") {
			t.Errorf("with %s it said %q", name, message)
		}
	}
}

// The walk that kasse-dev prints is pasted into a shell as it stands, and ends with a paid order.
func TestWalk(t *testing.T) {
	t.Parallel()
	p := run(
		t, binary(t, kasseDevBinary), nil, "-addr", ":0", "-admin-addr", ":0", "-stripe-addr", ":0",
		"-control-addr", ":0", "-shop-addr", ":0", "-console-addr", ":0",
	)
	const before = "A walk to paste into another terminal:\n\n"
	wait.Until(t, "the printed walk", func() error {
		return yet(
			strings.HasSuffix(p.stdout.String(), "/v1/events -H \"Authorization: Bearer $KEY\"\n") || p.hasEnded(),
		)
	})
	introduction, walk, found := strings.Cut(p.stdout.String(), before)
	if !found {
		t.Fatal("there is no walk")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("there is no curl, which the walk uses: apt-get install curl, or brew install curl")
	}
	shell := exec.Command("bash", "-e")
	shell.Dir, shell.Stdin = t.TempDir(), strings.NewReader(walk+"ls >left; echo \"$OPENED\" >opened.json\n")
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + shell.Dir}
	output, err := shell.CombinedOutput()
	if err != nil || strings.Contains(
		string(output), "urn:kasse:problem",
	) || strings.Contains(string(output), `"error"`) {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, secret := range []string{`"client_secret":"pi_`, `"customer_session":{"client_secret":"cuss_`} {
		if !strings.Contains(string(output), secret) {
			t.Errorf("the walk shows no %s", secret)
		}
	}

	p.client = newClient(t)
	p.public = regexp.MustCompile(`Kasse +(http\S+)`).FindStringSubmatch(introduction)[1]
	p.admin = strings.TrimSuffix(regexp.MustCompile(`Probes +(http\S+)`).FindStringSubmatch(introduction)[1], "/readyz")
	expect(t, "/readyz", p.probe("/readyz"), http.StatusOK)
	left, leftErr := os.ReadFile(filepath.Join(shell.Dir, "left"))
	if strings.TrimSpace(string(left)) != "left" {
		t.Errorf("it leaves %s, %v", left, leftErr) // where it is pasted
	}
	text, err := os.ReadFile(filepath.Join(shell.Dir, "opened.json"))
	if err != nil {
		t.Fatal(err)
	}
	p.awaitState(answer{body: text}.view(t), "paid")
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

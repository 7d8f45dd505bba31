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

// demo runs kasse-dev's demo to its end.
func demo(t *testing.T, args ...string) *process {
	t.Helper()
	leftovers := map[string]string{ // a shell may have production's settings: the demo must not use them
		"STRIPE_SECRET_KEY": "sk_live_left_in_the_shell", "STRIPE_API_BASE": "http://127.0.0.1:1",
		"REDIS_URL": "redis://127.0.0.1:1/0",
	}
	p := run(t, binary(t, kasseDevBinary), leftovers, append([]string{"-demo"}, args...)...)
	p.exitCode()
	return p
}

// TestDemo: every step of the demo succeeds, with duplicate and reordered events, and on a
// redis-server.
func TestDemo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"without faults":    nil,
		"with event faults": {"-duplicate", "0.5", "-reorder", "0.5", "-seed", "7"},
		"on a redis-server": {"-redis", storetest.RedisServer(t)},
	} {
		t.Run(name, func(t *testing.T) {
			p := demo(t, args...)
			expect(t, "exit code", p.command.ProcessState.ExitCode(), 0)
			lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
			paid, failed := 0, 0
			for _, line := range lines {
				if !strings.HasPrefix(line, "ok ") {
					t.Errorf("a step prints %q, want a line with ok", line)
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
				// On a slow machine Redis may not answer in time.
				if !strings.Contains(line, "rate limits: shared store") {
					t.Errorf("stderr contains %q, want nothing", line)
				}
			}
		})
	}
}

// TestDemoOnUsedRedis: the simulated Stripe starts empty each time, so kasse-dev refuses a Redis of
// an earlier start. It prints what to do.
func TestDemoOnUsedRedis(t *testing.T) {
	t.Parallel()
	redis := storetest.RedisServer(t)
	expect(t, "exit code", demo(t, "-redis", redis).command.ProcessState.ExitCode(), 0)
	again := demo(t, "-redis", redis)
	expect(t, "exit code", again.command.ProcessState.ExitCode(), 1)
	expectContains(t, again.stderr.String(), "FLUSHDB")
}

// TestDemoFails: without any event no payment is shown as paid. The step fails, and so does the
// demo.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	p := demo(t, "-drop", "1")
	expect(t, "exit code", p.command.ProcessState.ExitCode(), 1)
	lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "FAILED  the page polls") ||
		!strings.Contains(last, "still pending; paid was expected") {
		t.Errorf("the last step prints %q, want FAILED and the reason", last)
	}
	expect(t, "exit code with an unknown flag", demo(t, "-dorp", "1").command.ProcessState.ExitCode(), 2)
	expect(t, "exit code with -real", demo(t, "-real").command.ProcessState.ExitCode(), 1)
}

// TestDevRefusesLiveKeys: kasse-dev refuses a live key from a variable and from a file, without
// printing it.
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
			t.Errorf("with %s the message is %q, want \"live key\" and not the key", name, message)
		}
	}
}

// TestWalk pastes the walk that kasse-dev prints into a shell, unchanged. It ends with a paid
// order.
func TestWalk(t *testing.T) {
	t.Parallel()
	p := run(
		t, binary(t, kasseDevBinary), nil, "-addr", ":0", "-admin-addr", ":0", "-stripe-addr", ":0",
		"-control-addr", ":0", "-shop-addr", ":0", "-console-addr", ":0",
	)
	const before = "Commands to paste into another terminal:\n\n"
	wait.UntilTrue(t, "the printed walk", func() bool {
		const end = "/v1/events -H \"Authorization: Bearer $KEY\"\n"
		return strings.HasSuffix(p.stdout.String(), end) || p.hasEnded()
	})
	introduction, walk, found := strings.Cut(p.stdout.String(), before)
	if !found {
		t.Fatalf("kasse-dev printed no walk: %s", p.stdout.String())
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the walk needs curl: apt-get install curl, or brew install curl")
	}
	shell := exec.Command("bash", "-e")
	shell.Dir, shell.Stdin = t.TempDir(), strings.NewReader(walk+"ls >left; echo \"$OPENED\" >opened.json\n")
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + shell.Dir}
	output, err := shell.CombinedOutput()
	printed := string(output)
	if err != nil || strings.Contains(printed, "urn:kasse:problem") || strings.Contains(printed, `"error"`) {
		t.Fatalf("the walk failed: %v\n%s", err, printed)
	}
	expectContains(t, printed, `"client_secret":"pi_`, `"customer_session":{"client_secret":"cuss_`)

	p.client = newClient(t)
	p.public = regexp.MustCompile(`Kasse +(http\S+)`).FindStringSubmatch(introduction)[1]
	p.admin = strings.TrimSuffix(regexp.MustCompile(`Probes +(http\S+)`).FindStringSubmatch(introduction)[1], "/readyz")
	expect(t, "/readyz", p.probe("/readyz"), http.StatusOK)
	left, leftErr := os.ReadFile(filepath.Join(shell.Dir, "left"))
	if strings.TrimSpace(string(left)) != "left" {
		t.Errorf("the walk leaves the files %s (%v) in its directory, want none", left, leftErr)
	}
	text, err := os.ReadFile(filepath.Join(shell.Dir, "opened.json"))
	if err != nil {
		t.Fatal(err)
	}
	p.awaitState(answer{body: text}.view(t), "paid")
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

package testenv_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"

	"kasse/test/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCloseEndsWhatNewStarted(t *testing.T) {
	env, err := testenv.New(
		t.Context(), t.TempDir(), testenv.WithSender(1, func(string, string) {}, func(int, error) {}),
		testenv.WithRedis(),
	)
	if err != nil {
		t.Fatal(err)
	}
	slept, err := env.Start("/bin/sleep", nil, "600")
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Redis.Client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	if _, err := env.Stripe.Customer(t.Context()); err != nil {
		t.Error(err)
	}
	var order []string
	env.OnClose(func() { order = append(order, "first") })
	env.OnClose(func() { order = append(order, "second") })
	env.Close()
	if !slept.HasEnded() || !env.Redis.Process.HasEnded() || env.Context().Err() == nil {
		t.Error("a process or the context outlives Close")
	}
	if len(order) != 2 || order[0] != "second" {
		t.Errorf("closed in the order %q, want the last first", order)
	}
}

// TestNewLeavesNothingRunning: if a part fails to start, the parts before it are stopped.
func TestNewLeavesNothingRunning(t *testing.T) {
	failure := errors.New("the part failed")
	var started *testenv.Env
	failing := func(_ context.Context, e *testenv.Env) error {
		started = e
		return failure
	}
	env, err := testenv.New(t.Context(), t.TempDir(), testenv.WithRedis(), failing)
	if env != nil || !errors.Is(err, failure) {
		t.Errorf("got %v, %v, want the failure", env, err)
	}
	if !started.Redis.Process.HasEnded() {
		t.Error("redis-server still runs")
	}
}

func TestSettingsChange(t *testing.T) {
	env, err := testenv.New(
		t.Context(), t.TempDir(), testenv.WithStripe(1, http.NotFoundHandler()),
		testenv.WithSettings(map[string]string{"LOG_LEVEL": "info", "LOG_FORMAT": "text"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer env.Close()
	got := map[string]bool{}
	for _, setting := range env.Settings(map[string]string{"LOG_LEVEL": "debug"}) {
		got[setting] = true
	}
	for _, want := range []string{"LOG_LEVEL=debug", "LOG_FORMAT=text", "STRIPE_API_BASE=" + env.Stripe.HTTP.URL} {
		if !got[want] {
			t.Errorf("%s is missing", want)
		}
	}
	if got["LOG_LEVEL=info"] {
		t.Error("a change does not replace the setting")
	}
}

func TestInDirRemovesItsDirectory(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var used string
	err := testenv.InDir(ctx, "test", func(dir string) error {
		used = dir
		cancel()
		return nil
	})
	if err == nil || err.Error() != "interrupted" {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	if _, err := os.Stat(used); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", used, err)
	}
}

package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"kasse/test/program"
	"kasse/test/wait"
)

// Kasse is one server process.
type Kasse struct {
	*program.Process
	Public, Admin string // host:port of the public and the admin listener
}

// Build compiles Kasse into the directory and returns the binary's path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "kasse")
	if out, err := exec.CommandContext(
		ctx, "go", "build", "-o", path, "kasse/cmd/kasse",
	).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build kasse: %w\n%s", err, out)
	}
	return path, nil
}

// OpenSources opens the server's source files below the root, and those of the other folders named, so that `go test`
// runs a test again after one of them has changed. `go test` reuses a result while the files that the test opened are
// unchanged, and it does not see the compiler's reads.
func OpenSources(root string, others ...string) error {
	for _, name := range append(others, "go.mod", "spec.go", "openapi.yaml", "api", "cmd", "service", "store") {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Settings is the environment of a server with this Redis and this Stripe. changes overrides single
// variables.
func Settings(redisURL, stripeURL string, changes map[string]string) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DRAIN_DELAY=500ms", "SHUTDOWN_TIMEOUT=20s",
		"REDIS_URL=" + redisURL, "REDIS_PARTITIONS=4", "REDIS_DURABILITY=require",
		"STRIPE_API_BASE=" + stripeURL, "STRIPE_SECRET_KEY=" + stripeKey, "STRIPE_PUBLISHABLE_KEY=" + publishableKey,
		"STRIPE_WEBHOOK_SECRETS=" + hookSecret, "STRIPE_READ_RPS=100", "STRIPE_TIMEOUT=3s",
		"SERVICE_KEYS=" + keyEntry(BackendKey),
		"RATE_LIMIT_SERVICE=off", "RATE_LIMIT_FRONTEND=off", "RATE_LIMIT_FRONTEND_STRIPE=off", "RATE_LIMIT_ADDRESS=off",
	}
	for name, value := range changes {
		env = append(env, name+"="+value)
	}
	return env
}

// listening matches the log line with the addresses.
var listening = regexp.MustCompile(`"listening","public":"([0-9.]+:[0-9]+)","admin":"([0-9.]+:[0-9]+)"`)

// AwaitListening waits until the server has logged its addresses.
func (k *Kasse) AwaitListening(ctx context.Context) error {
	found, err := k.AwaitLine(ctx, listening)
	if err == nil {
		k.Public, k.Admin = found[1], found[2]
	}
	return err
}

// AwaitReady waits until the server is ready.
func (k *Kasse) AwaitReady(ctx context.Context) error {
	return wait.For(ctx, func() error {
		if k.HasEnded() {
			return errors.Join(wait.ErrGaveUp, fmt.Errorf("the server ended: %s", program.Tail(k.Log)))
		}
		if !k.Ready(ctx) {
			return errors.New("the server is not ready")
		}
		return nil
	})
}

// Ready calls /readyz once.
func (k *Kasse) Ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a, err := Call(ctx, http.DefaultClient, http.MethodGet, "http://"+k.Admin+"/readyz", nil, "")
	return err == nil && a.Status == http.StatusOK
}

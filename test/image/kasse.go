package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// container is a container of Kasse.
type container struct {
	name, public, admin string // public is the published port, admin the container's own address
}

// startStripe starts the simulated Stripe on the bridge. It sends its events to the URL.
func (c *check) startStripe(webhookURL string) error {
	c.stripe = testenv.NewStripeBackend(1, webhookURL)
	listener, err := net.Listen("tcp4", address+":0")
	if err != nil {
		return err
	}
	server := httptest.NewUnstartedServer(c.stripe.Sim)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	c.stripe.HTTP.Close()
	c.stripe.HTTP = server
	return c.writeEnv()
}

// redisPassword is the password of Redis, for this run only.
const redisPassword = "imagecheck1"

// writeEnv writes .env with the settings that .env.example requires and this Stripe's address. All others
// keep Kasse's defaults.
func (c *check) writeEnv() error {
	src := filepath.Join(c.work, "src")
	example, err := os.ReadFile(filepath.Join(src, ".env.example"))
	if err != nil {
		return err
	}
	file, err := fillIn(string(example), newEnv(c.stripe.HTTP.URL))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(src, ".env"), []byte(file), 0o600)
}

// newEnv returns the settings for the Stripe at the URL.
func newEnv(stripeURL string) map[string]string {
	env := map[string]string{"REDIS_PASSWORD": redisPassword}
	for _, setting := range testenv.Settings("", stripeURL, nil) {
		name, value, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, "STRIPE_") || name == "SERVICE_KEYS" || strings.HasPrefix(name, "RATE_LIMIT_") {
			env[name] = value
		}
	}
	return env
}

// fillIn returns an environment file with the values. It returns an error if a variable that the example leaves empty,
// so that a user has to set it, has no value.
func fillIn(example string, values map[string]string) (string, error) {
	for line := range strings.Lines(example) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(name, "#") && value == "" && values[name] == "" {
			return "", fmt.Errorf("this check has no value of %s, which .env.example requires", name)
		}
	}
	lines := []string{}
	for name, value := range values {
		lines = append(lines, name+"="+value+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}

// startRedis runs Redis with the flags of compose.yaml.
func (c *check) startRedis(ctx context.Context) (address string, err error) {
	_, err = c.runDocker(
		ctx, "run", "--detach", "--name", "redis", "--volume", "kasse-redis:/data",
		"--env", "REDISCLI_AUTH="+redisPassword, "redis:7.2-alpine", "redis-server",
		"--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no", "--maxmemory-policy",
		"noeviction", "--requirepass", redisPassword,
	)
	if err != nil {
		return "", err
	}
	err = wait.For(ctx, func() error {
		printed, err := c.runDocker(ctx, "exec", "redis", "redis-cli", "ping")
		if err == nil && printed != "PONG" {
			err = errors.New(printed)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return c.runDocker(ctx, "inspect", "--format", "{{.NetworkSettings.IPAddress}}", "redis")
}

// start runs Kasse with the flags of compose.yaml and waits until Docker reports it as healthy.
func (c *check) start(ctx context.Context, name, image, redis string) (container, error) {
	_, err := c.runDocker(
		ctx, "run", "--detach", "--name", name, "--env-file", filepath.Join(c.work, "src", ".env"),
		"--env", "LISTEN_ADDR=:8080", "--env", "ADMIN_ADDR=:9090",
		"--env", "REDIS_URL=redis://:"+redisPassword+"@"+redis+":6379/0",
		"--env", "REDIS_MODE=single", "--env", "REDIS_DURABILITY=require",
		"--publish", "127.0.0.1::8080", "--read-only", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges:true", "--stop-timeout", "30", "--restart", "unless-stopped", image,
	)
	if err != nil {
		return container{}, err
	}
	return c.healthy(ctx, name)
}

// healthy waits for Docker's health status and returns the container's addresses.
func (c *check) healthy(ctx context.Context, name string) (container, error) {
	err := wait.For(ctx, func() error {
		health, err := c.runDocker(ctx, "inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", name)
		if err == nil && health != "running healthy" {
			printed, _ := c.runDocker(ctx, "logs", "--tail", "5", name)
			err = fmt.Errorf("%s is %s: %s", name, health, printed)
		}
		return err
	})
	if err != nil {
		return container{}, err
	}
	ports, err := c.runDocker(ctx, "port", name, "8080/tcp")
	if err != nil {
		return container{}, err
	}
	ip, err := c.runDocker(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
	return container{name, "http://" + strings.Fields(ports)[0], "http://" + ip + ":9090"}, err
}

// checkIsolation checks the container's process from the host: a read-only root, no capabilities, no way to gain any,
// and an unprivileged user.
func (c *check) checkIsolation(ctx context.Context, name string) error {
	pid, err := c.runDocker(ctx, "inspect", "--format", "{{.State.Pid}}", name)
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		found[key] = strings.Join(strings.Fields(value), " ")
	}
	for key, want := range map[string]string{
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1",
		"Uid": "65532 65532 65532 65532",
	} {
		if found[key] != want {
			return fmt.Errorf("%s: %s is %q, want %q", name, key, found[key], want)
		}
	}
	mounts, err := os.ReadFile("/proc/" + pid + "/mounts")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if field := strings.Fields(line); field[1] == "/" && !slices.Contains(strings.Split(field[3], ","), "ro") {
			return fmt.Errorf("%s: the root is writable: %s", name, line)
		}
	}
	c.step(
		"%s: healthy; root read-only, CapEff %s, NoNewPrivs %s, uid %s", name, found["CapEff"],
		found["NoNewPrivs"], found["Uid"],
	)
	return nil
}

// backend sends a request with the service key.
func backend(ctx context.Context, client *http.Client, method, url, body string) (testenv.Answer, error) {
	header := map[string]string{"Authorization": "Bearer " + testenv.BackendKey}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	return testenv.Call(ctx, client, method, url, header, body)
}

// view holds the compared members of a status view.
type view struct {
	Payment string `json:"payment_intent"`
	State   string `json:"state"`
}

// create opens a payment.
func create(ctx context.Context, client *http.Client, base, order string) (payment string, err error) {
	a, err := backend(
		ctx, client, http.MethodPost, base+"/v1/payments",
		fmt.Sprintf(`{"order_id":%q,"amount":1999,"currency":"eur"}`, order),
	)
	if err != nil {
		return "", err
	}
	var v view
	if err := json.Unmarshal(a.Body, &v); err != nil || a.Status/100 != 2 {
		return "", fmt.Errorf("the create was answered with %d %s", a.Status, a.Body)
	}
	return v.Payment, nil
}

// paid waits until Kasse shows a payment as paid.
func paid(ctx context.Context, client *http.Client, base, payment string) error {
	return wait.For(ctx, func() error {
		a, err := backend(ctx, client, http.MethodGet, base+"/v1/payments/"+payment, "")
		if err != nil {
			return err
		}
		var v view
		if err := json.Unmarshal(a.Body, &v); err != nil || v.State != "paid" {
			return fmt.Errorf("the read of payment %s was answered with %d %s", payment, a.Status, a.Body)
		}
		return nil
	})
}

// payOne runs the main flow through the published port: create, pay, webhook, paid.
func (c *check) payOne(ctx context.Context, client *http.Client, base, order string) error {
	payment, err := create(ctx, client, base, order)
	if err != nil {
		return err
	}
	if err := c.stripe.Apply(ctx, payment, testenv.Pay, 1999); err != nil {
		return err
	}
	return paid(ctx, client, base, payment)
}

// Command image builds the container image with its own Docker daemon and runs it as compose.yaml does.
// run.sh prepares everything and starts this program in its own namespaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/program"
	"kasse/test/wait"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &check{began: time.Now()}
	flag.StringVar(&c.work, "work", "", "the directory that run.sh has prepared")
	flag.StringVar(&c.docker, "docker", "docker", "the docker client")
	flag.Parse()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

// check is one run.
type check struct {
	work, docker string
	began        time.Time
	daemon       *program.Process
	stripe       *testenv.StripeBackend
	front        *front           // receives Stripe's events and the load
	balancer     *httptest.Server // serves front
}

const (
	bridge  = "kasse0"
	address = "10.213.17.1" // the bridge's address, on which the simulated Stripe listens
)

// step prints the next step.
func (c *check) step(format string, args ...any) {
	fmt.Printf("%4.0f s  %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

func (c *check) run(ctx context.Context) error {
	defer c.end() //nolint:contextcheck // it also runs after an interrupt
	for _, part := range []func(context.Context) error{
		c.startDaemon, c.makeBases, c.buildImages, c.runContainers, c.runCompose,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startDaemon starts dockerd with its data, socket and bridge in this run's directory and network namespace.
func (c *check) startDaemon(ctx context.Context) error {
	c.step("dockerd, on its own socket and bridge")
	for _, command := range []string{
		"ip link set lo up", "ip link add " + bridge + " type bridge",
		"ip address add " + address + "/24 dev " + bridge, "ip link set " + bridge + " up",
	} {
		if _, err := c.command(ctx, strings.Fields(command)...); err != nil {
			return err
		}
	}
	dockerd, err := exec.LookPath("dockerd")
	if err != nil {
		return err
	}
	c.daemon, err = program.Start(
		c.work, dockerd, os.Environ(), "--host", c.socket(), "--data-root", filepath.Join(c.work, "docker"),
		"--exec-root", filepath.Join(c.work, "exec"), "--pidfile", filepath.Join(c.work, "dockerd.pid"),
		"--bridge", bridge,
		"--default-address-pool", "base=10.214.0.0/16,size=24", "--cgroup-parent", "/kasse-image-check",
	)
	if err != nil {
		return err
	}
	return wait.For(ctx, func() error {
		if c.daemon.HasEnded() {
			return errors.Join(wait.ErrGaveUp, fmt.Errorf("dockerd ended: %s", program.Tail(c.daemon.Log)))
		}
		_, err := c.runDocker(ctx, "info", "--format", "{{.ServerVersion}}")
		return err
	})
}

func (c *check) socket() string { return "unix://" + filepath.Join(c.work, "docker.sock") }

// end removes every container and terminates the daemon by its id.
func (c *check) end() {
	if c.stripe != nil {
		c.stripe.Close()
	}
	if c.balancer != nil {
		c.balancer.Close()
	}
	if c.daemon == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if ids, err := c.runDocker(ctx, "ps", "--all", "--quiet"); err == nil && ids != "" {
		_, _ = c.runDocker(ctx, append([]string{"rm", "--force", "--volumes"}, strings.Fields(ids)...)...)
	}
	if err := c.daemon.Terminate(ctx); err != nil {
		c.daemon.Kill()
	}
	c.step("containers removed, dockerd ended")
}

// runDocker runs the docker client and returns its output.
func (c *check) runDocker(ctx context.Context, args ...string) (string, error) {
	return c.command(ctx, append([]string{c.docker}, args...)...)
}

// command runs a program with the daemon's socket in its environment.
func (c *check) command(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir = c.work
	command.Env = append(
		os.Environ(), "DOCKER_HOST="+c.socket(), "DOCKER_BUILDKIT=1", "BUILDKIT_PROGRESS=plain",
		"DOCKER_CONFIG="+filepath.Join(c.work, "config"),
	)
	printed, err := command.CombinedOutput()
	text := strings.TrimSpace(string(printed))
	if err != nil {
		return text, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, tail(text))
	}
	return text, nil
}

func tail(text string) string {
	const most = 3000
	return text[max(0, len(text)-most):]
}

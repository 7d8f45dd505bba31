package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// shop is the load, with the payments that were acknowledged.
type shop struct {
	mu       sync.Mutex
	payments []string
}

// load opens and pays orders through the front until stop is called.
func (c *check) load(ctx context.Context, base string) (s *shop, stop func()) {
	s = &shop{}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := 0; wait.Pause(ctx, 50*time.Millisecond); i++ {
				work := context.WithoutCancel(ctx) // a request that has begun is completed and counted
				payment, err := create(work, http.DefaultClient, base, fmt.Sprintf("load-%d-%d", worker, i))
				if err != nil {
					continue
				}
				s.mu.Lock()
				s.payments = append(s.payments, payment)
				s.mu.Unlock()
				_ = c.stripe.Apply(work, payment, testenv.Pay, 1999)
			}
		})
	}
	return s, func() { cancel(); all.Wait() }
}

// runContainers runs two replicas with one Redis. Under load it stops them, replaces them by another image,
// and kills and restarts them.
func (c *check) runContainers(ctx context.Context) error {
	c.front = &front{}
	c.balancer = httptest.NewServer(c.front)
	if err := c.startStripe(c.balancer.URL + "/webhooks/stripe"); err != nil {
		return err
	}
	redis, err := c.startRedis(ctx)
	if err != nil {
		return err
	}
	c.step("two containers of kasse:one, one of Redis")
	var old [2]container
	for i := range old {
		if old[i], err = c.start(ctx, fmt.Sprintf("kasse-%d", i+1), "kasse:one", redis); err != nil {
			return err
		}
		if err := c.checkIsolation(ctx, old[i].name); err != nil {
			return err
		}
	}
	go c.front.probe(ctx)
	if err := c.front.await(ctx, old[:]...); err != nil {
		return err
	}
	if err := c.payOne(ctx, http.DefaultClient, old[0].public, "main-job"); err != nil {
		return err
	}
	c.step("one payment through the published port: paid")
	s, stop := c.load(ctx, c.balancer.URL)
	defer stop()
	fresh, err := c.replace(ctx, old, redis)
	if err != nil {
		return err
	}
	stop()
	c.step(
		"docker stop of both under load, two of kasse:two instead: %d requests, %d failed",
		c.front.passed.Load(), c.front.failed.Load(),
	)
	if c.front.failed.Load() > 0 {
		return fmt.Errorf("%d requests failed, the last one with: %v", c.front.failed.Load(), c.front.why.Load())
	}
	if err := s.check(ctx, c.balancer.URL); err != nil {
		return err
	}
	return c.killAndStart(ctx, fresh, c.balancer.URL)
}

// replace replaces the containers of the first image with those of the second, one by one.
func (c *check) replace(ctx context.Context, old [2]container, redis string) (fresh [2]container, err error) {
	for i, k := range old {
		if fresh[i], err = c.start(ctx, fmt.Sprintf("kasse-%d", i+3), "kasse:two", redis); err != nil {
			return fresh, err
		}
		c.front.set(slices.Concat(old[i:], fresh[:i+1])...)
		began := time.Now()
		if _, err := c.runDocker(ctx, "stop", k.name); err != nil {
			return fresh, err
		}
		code, err := c.runDocker(ctx, "inspect", "--format", "{{.State.ExitCode}}", k.name)
		if err != nil {
			return fresh, err
		}
		c.front.set(slices.Concat(old[i+1:], fresh[:i+1])...) // its address may now belong to another container
		c.step("docker stop %s: %.1f s, exit code %s", k.name, time.Since(began).Seconds(), code)
		if code != "0" {
			return fresh, fmt.Errorf("%s ended with exit code %s, want 0", k.name, code)
		}
	}
	return fresh, nil
}

// check reads each acknowledged payment. All must be paid.
func (s *shop) check(ctx context.Context, base string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.payments) < 10 {
		return fmt.Errorf("only %d payments were opened under load", len(s.payments))
	}
	for _, payment := range s.payments {
		if err := paid(ctx, http.DefaultClient, base, payment); err != nil {
			return err
		}
	}
	return nil
}

// killAndStart kills the containers under load, restarts them, and checks everything that was acknowledged.
func (c *check) killAndStart(ctx context.Context, all [2]container, base string) error {
	s, stop := c.load(ctx, base)
	defer stop()
	err := wait.For(ctx, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.payments) < 50 {
			return errors.New("fewer than 50 payments were opened")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := c.runDocker(ctx, "kill", all[0].name, all[1].name, "redis"); err != nil {
		return err
	}
	stop()
	if _, err := c.runDocker(ctx, "start", "redis", all[0].name, all[1].name); err != nil {
		return err
	}
	for i, k := range all {
		if all[i], err = c.healthy(ctx, k.name); err != nil {
			return err
		}
	}
	if err := c.front.await(ctx, all[:]...); err != nil {
		return err
	}
	if err := s.check(ctx, base); err != nil {
		return err
	}
	c.step(
		"docker kill of both and of Redis, docker start: healthy, all %d acknowledged payments are paid",
		len(s.payments),
	)
	_, err = c.runDocker(ctx, "rm", "--force", "--volumes", all[0].name, all[1].name, "kasse-1", "kasse-2", "redis")
	return err
}

// runCompose starts and stops compose.yaml with Compose itself.
func (c *check) runCompose(ctx context.Context) error {
	c.step("compose up --build, with the unchanged compose.yaml")
	compose := func(args ...string) (string, error) {
		src := filepath.Join(c.work, "src")
		return c.command(ctx, append([]string{
			filepath.Join(c.work, "docker-compose"), "--project-directory", src, "--file",
			filepath.Join(src, "compose.yaml"),
		}, args...)...)
	}
	// A new Stripe: Kasse refuses an empty Redis if Stripe has Kasse's payments.
	c.stripe.Close()
	if err := c.startStripe(c.balancer.URL + "/webhooks/stripe"); err != nil {
		return err
	}
	if printed, err := compose("up", "--detach", "--build", "--wait"); err != nil {
		logged, _ := c.runDocker(ctx, "logs", "--tail", "20", "kasse-kasse-1")
		return fmt.Errorf("%w\n%s\nkasse: %s", err, tail(printed), logged)
	}
	listed, err := compose("ps", "--format", "{{.Service}} {{.State}} {{.Health}} {{.Ports}}")
	if err != nil {
		return err
	}
	c.step("compose ps:\n%s", listed)
	if err := c.checkIsolation(ctx, "kasse-kasse-1"); err != nil {
		return err
	}
	k, err := c.healthy(ctx, "kasse-kasse-1")
	if err != nil {
		return err
	}
	if err := c.front.await(ctx, k); err != nil {
		return err
	}
	if err := c.payOne(ctx, http.DefaultClient, k.public, "compose"); err != nil {
		return err
	}
	c.step("one payment through %s: paid", k.public)
	began := time.Now()
	if _, err := compose("down", "--volumes"); err != nil {
		return err
	}
	c.step("compose down: %.1f s", time.Since(began).Seconds())
	return nil
}

package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kasse/test/internal/testenv"
)

func lines(text string) iter.Seq[string] { return strings.Lines(text) }

// hot is the number of payments that are read and changed. It does not depend on the number of payments in Redis.
const hot = 1_000

// million compares Redis with a million payments with Redis with a thousand, and measures the memory per payment.
func million(ctx context.Context, b *bench) error {
	for name, count := range map[string]int{"Thousand": hot, "Million": 1_000_000} {
		if err := b.size(ctx, name, count); err != nil {
			return err
		}
	}
	b.figure(
		"1,000,000 payments relative to 1,000: status reads of 1,000 of them", "≥ 0.9 ×", "%s",
		b.ratio("Million/status req/s", "Thousand/status req/s"),
	)
	b.figure(
		"… without REDIS_CLIENT_CACHE", "≥ 0.9 ×", "%s",
		b.ratio("Million/uncached req/s", "Thousand/uncached req/s"),
	)
	b.figure("… webhooks about them", "≥ 0.9 ×", "%s", b.ratio("Million/webhook req/s", "Thousand/webhook req/s"))
	b.figure(
		"… Redis memory of a payment and its order", "≤ 2.5 KB", "%.2f KB",
		b.median("Million/memory B/payment")/1000,
	)
	b.figure("… of an entry of the stream", "≤ 700 B", "%.0f B", b.median("Million/memory B/entry"))
	return nil
}

func (b *bench) size(ctx context.Context, name string, count int) error {
	env, err := b.newEnvironment(ctx, "--appendonly", "no")
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	kasse, err := env.kasse(ctx, nil)
	if err != nil {
		return err
	}
	uncached, err := env.kasse(ctx, map[string]string{"REDIS_CLIENT_CACHE": "false"})
	if err != nil {
		return err
	}
	empty, err := env.used(ctx)
	if err != nil {
		return err
	}
	if err := env.seed(ctx, kasse, count); err != nil {
		return err
	}
	full, err := env.used(ctx)
	if err != nil {
		return err
	}
	requests := make([][]byte, hot)
	for n := range requests {
		requests[n] = poll(n*(count/hot), "")
	}
	changes := 0
	for range b.rounds {
		for what, at := range map[string]server{"status": kasse, "uncached": uncached} {
			err := env.measure(name+"/"+what, at, func(address string) (load, error) {
				return closedLoop(ctx, []string{address}, b.length, atRandom(requests, http.StatusOK))
			})
			if err != nil {
				return err
			}
		}
		bodies := b.hotChanges(count, changes)
		changes += len(bodies)
		err := env.measure(name+"/webhook", kasse, func(address string) (load, error) {
			return closedLoop(ctx, []string{address}, b.length, each(bodies, http.StatusOK))
		})
		if err != nil {
			return err
		}
	}
	entry, err := env.entry(ctx)
	if err != nil {
		return err
	}
	perPayment := float64(full-empty) / float64(count)
	env.line(name+"/memory", count, metric{"B/payment", perPayment}, metric{"B/entry", entry})
	return nil
}

// hotChanges returns webhooks with the next changes of the hot payments.
func (b *bench) hotChanges(count, first int) [][]byte {
	bodies := make([][]byte, int(preparedRate*b.length.Seconds()))
	for i := range bodies {
		pass, payment := (first+i)/hot, (first+i)%hot*(count/hot)
		status := []string{"requires_action", "processing"}[pass%2]
		bodies[i] = delivery(event(payment, status, status, time.Unix(opened+10*int64(pass+1), 0)))
	}
	return bodies
}

// used returns the memory of Redis's data set, in bytes.
func (env *environment) used(ctx context.Context) (bytes int64, err error) {
	text, err := env.Redis.Client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	for line := range lines(text) {
		if _, err := fmt.Sscanf(line, "used_memory_dataset:%d", &bytes); err == nil {
			return bytes, nil
		}
	}
	return 0, fmt.Errorf("INFO has no used_memory_dataset: %s", text)
}

// entry returns the memory of one stream entry, in bytes.
func (env *environment) entry(ctx context.Context) (float64, error) {
	var bytes, entries int64
	for n := range 16 {
		key := fmt.Sprintf("kasse:{p%d}:events", n)
		size, err := env.Redis.Client.MemoryUsage(ctx, key, 0).Result()
		if err != nil {
			return 0, err
		}
		length, err := env.Redis.Client.XLen(ctx, key).Result()
		if err != nil {
			return 0, err
		}
		bytes, entries = bytes+size, entries+length
	}
	return float64(bytes) / float64(max(entries, 1)), nil
}

// start measures the time until the process is ready, and its memory when idle.
func start(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx)
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	const admin = "127.0.0.1:39191"
	for round := range b.rounds {
		began := time.Now()
		p, err := env.Start(env.program, env.Settings(map[string]string{"ADMIN_ADDR": admin}))
		if err != nil {
			return err
		}
		k := &testenv.Kasse{Process: p, Admin: admin}
		for !k.Ready(ctx) && ctx.Err() == nil && !p.HasEnded() {
			time.Sleep(time.Millisecond)
		}
		ready := time.Since(began)
		time.Sleep(settling)
		b.line(
			"Start/kasse", round+1, metric{"ready-ms", float64(ready.Microseconds()) / 1000},
			metric{"idle-MB", float64(resident(p.PID())) / 1e6},
		)
		p.Kill()
	}
	if info, err := os.Stat(env.program); err == nil {
		fmt.Fprintf(os.Stderr, "%s has %.1f MB\n", filepath.Base(env.program), float64(info.Size())/1e6)
	}
	b.figure("process: ready after start", "≤ 30 ms", "%.0f ms", b.median("Start/kasse ready-ms"))
	b.figure("… memory when idle", "≤ 20 MB", "%.0f MB", b.median("Start/kasse idle-MB"))
	return nil
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// payments is how many the scenarios spread over. A test of this program sets fewer.
var payments = 10_000

// poll is the request of a page with a client secret.
func poll(n int, more string) []byte {
	return fmt.Appendf(
		nil, "GET /v1/payments/%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\n%s\r\n", paymentID(n),
		clientSecret(n), more,
	)
}

// atRandom reads random payments, on each connection in another order.
func atRandom(requests [][]byte, status int) requestSource {
	dice := make([]*rand.Rand, connections)
	for i := range dice {
		dice[i] = rand.New(rand.NewPCG(uint64(i), 1))
	}
	return func(connection, _ int) ([]byte, int) { return requests[dice[connection].IntN(len(requests))], status }
}

// inTurn reads each payment once.
func inTurn(requests [][]byte, status int) requestSource {
	return func(connection, n int) ([]byte, int) {
		if at := connection + n*connections; at < len(requests) {
			return requests[at], status
		}
		return nil, 0
	}
}

// status measures status reads by client secret, of 10,000 different payments, on 64 connections.
func status(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx)
	if err != nil {
		return err
	}
	defer env.Close()
	if err := env.initRedis(ctx); err != nil {
		return err
	}
	levers := map[string]map[string]string{
		"kasse": nil,
		"plain": {"REDIS_AUTOPIPELINE": "false", "REDIS_CLIENT_CACHE": "false"},
		"piped": {"REDIS_AUTOPIPELINE": "true", "REDIS_CLIENT_CACHE": "false"},
	}
	at := map[string]server{}
	for name, changes := range levers {
		if at[name], err = env.kasse(ctx, changes); err != nil {
			return err
		}
	}
	if err := env.seed(ctx, at["kasse"], payments); err != nil {
		return err
	}
	if at["bare"], err = env.bare(ctx, "status"); err != nil {
		return err
	}
	whole, unchanged, err := env.copyViews(ctx, at["kasse"].address)
	if err != nil {
		return err
	}
	reads := func(requests [][]byte, status int) func(string) (load, error) {
		return func(address string) (load, error) {
			if _, err := closedLoop(
				ctx, []string{address}, time.Hour, inTurn(requests, status),
			); err != nil { // warm-up
				return load{}, err
			}
			return closedLoop(ctx, []string{address}, b.length, atRandom(requests, status))
		}
	}
	for range b.rounds {
		for _, name := range []string{"bare", "kasse", "piped", "plain"} {
			if err := env.measure("Status/"+name, at[name], reads(whole, http.StatusOK)); err != nil {
				return err
			}
		}
		if err := env.measure("Status/unchanged", at["kasse"], reads(unchanged, http.StatusNotModified)); err != nil {
			return err
		}
	}
	b.figure(
		"status read by client secret, 10,000 payments, 64 connections: throughput", "≥ 1.3 ×", "%s",
		b.ratio("Status/kasse req/s", "Status/bare req/s"),
	)
	b.figure("… its p99", "≤ 1 ×", "%s", b.ratio("Status/kasse p99-µs", "Status/bare p99-µs"))
	b.figure("… with If-None-Match, unchanged", "≥ 1.4 ×", "%s", b.ratio("Status/unchanged req/s", "Status/bare req/s"))
	b.figure("… with automatic pipelining alone", "", "%s", b.ratio("Status/piped req/s", "Status/bare req/s"))
	b.figure("… with neither lever", "", "%s", b.ratio("Status/plain req/s", "Status/bare req/s"))
	return nil
}

// copyViews stores Kasse's responses for the baseline program. It returns the requests that read them,
// unconditional and with If-None-Match.
func (env *environment) copyViews(ctx context.Context, kasse string) (whole, unchanged [][]byte, err error) {
	l, err := dial(kasse)
	if err != nil {
		return nil, nil, err
	}
	defer l.close()
	for n := range payments {
		request := poll(n, "")
		code, err := l.roundTrip(request)
		if err != nil || code != http.StatusOK {
			return nil, nil, fmt.Errorf("payment %d: %d %w", n, code, err)
		}
		if err := env.Redis.Client.Set(ctx, bareKey(paymentID(n)), l.body, 0).Err(); err != nil {
			return nil, nil, err
		}
		whole, unchanged = append(whole, request), append(
			unchanged, poll(n, fmt.Sprintf("If-None-Match: %s\r\n", l.etag)),
		)
	}
	return whole, unchanged, nil
}

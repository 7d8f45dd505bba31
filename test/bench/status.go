package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// payments is the number of payments of a scenario. A test sets fewer.
var payments = 10_000

// poll returns a page's status request, with a client secret.
func poll(n int, more string) []byte {
	return fmt.Appendf(
		nil, "GET /v1/payments/%s HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer %s\r\n%s\r\n", paymentID(n),
		clientSecret(n), more,
	)
}

// atRandom sends random requests, in a different order on each connection.
func atRandom(requests [][]byte, status int) requestSource {
	dice := make([]*rand.Rand, connections)
	for i := range dice {
		dice[i] = rand.New(rand.NewPCG(uint64(i), 1))
	}
	return func(connection, _ int) ([]byte, int) { return requests[dice[connection].IntN(len(requests))], status }
}

// inTurn sends each request once.
func inTurn(requests [][]byte, status int) requestSource {
	return func(connection, n int) ([]byte, int) {
		if at := connection + n*connections; at < len(requests) {
			return requests[at], status
		}
		return nil, 0
	}
}

// pollRate is the rate of status reads in the open loop, in requests a second.
const pollRate = 5000

// status measures status reads by client secret, of 10,000 different payments, on 64 connections.
func status(ctx context.Context, b *bench) error {
	env, err := b.newEnvironment(ctx)
	if err != nil {
		return err
	}
	defer env.Close()
	r := readers{environment: env, at: map[string]server{}}
	if err := r.start(ctx); err != nil {
		return err
	}
	if b.beside != "" {
		beside, err := b.besideEnvironment(ctx)
		if err != nil {
			return err
		}
		defer beside.Close()
		r.beside = &readers{environment: beside, at: map[string]server{}}
		if err := r.beside.seeded(ctx, "beside"); err != nil {
			return err
		}
	}
	for range b.rounds {
		if err := r.round(ctx); err != nil {
			return err
		}
	}
	b.statusFigures()
	return nil
}

// readers are the servers whose status reads are compared.
type readers struct {
	*environment
	at               map[string]server
	whole, unchanged [][]byte // requests that are answered with the view, and with 304
	beside           *readers // an older build, on its own Redis; nil: none
}

// start starts Kasse with its optimizations, with one of them and with none, and the baseline program.
func (r *readers) start(ctx context.Context) (err error) {
	if err := r.initRedis(ctx); err != nil {
		return err
	}
	if err := r.seeded(ctx, "kasse"); err != nil {
		return err
	}
	for name, changes := range map[string]map[string]string{
		"plain": {"REDIS_AUTOPIPELINE": "false", "REDIS_CLIENT_CACHE": "false"},
		"piped": {"REDIS_AUTOPIPELINE": "true", "REDIS_CLIENT_CACHE": "false"},
	} {
		if r.at[name], err = r.kasse(ctx, changes); err != nil {
			return err
		}
	}
	r.at["bare"], err = r.bare(ctx, "status")
	return err
}

// seeded starts Kasse, opens the payments, and prepares the requests that read them.
func (r *readers) seeded(ctx context.Context, name string) (err error) {
	if r.at[name], err = r.kasse(ctx, nil); err != nil {
		return err
	}
	if err := r.seed(ctx, r.at[name], payments); err != nil {
		return err
	}
	r.whole, r.unchanged, err = r.copyViews(ctx, r.at[name].address)
	return err
}

// round measures each server once at full load, and some at a rate below their capacity.
func (r *readers) round(ctx context.Context) error {
	for _, name := range []string{"bare", "kasse", "piped", "plain", "beside"} {
		if err := r.of(name).read(ctx, name, "Status/"+name, http.StatusOK, 0); err != nil {
			return err
		}
	}
	for _, name := range []string{"kasse", "beside"} {
		if err := r.of(name).read(ctx, name, "Unchanged/"+name, http.StatusNotModified, 0); err != nil {
			return err
		}
	}
	for _, name := range []string{"bare", "kasse", "beside"} {
		if err := r.of(name).read(ctx, name, "Paced/"+name, http.StatusOK, pollRate); err != nil {
			return err
		}
	}
	return nil
}

// of returns the readers that have the server; nil if it is not measured.
func (r *readers) of(name string) *readers {
	if name == "beside" {
		return r.beside
	}
	return r
}

// read measures reads of a server, at a rate per second. A rate of 0 has no limit.
func (r *readers) read(ctx context.Context, server, name string, status, rate int) error {
	if r == nil {
		return nil
	}
	requests := r.whole
	if status == http.StatusNotModified {
		requests = r.unchanged
	}
	at := r.at[server]
	warmUp := inTurn(requests, status)
	if _, err := closedLoop(ctx, []string{at.address}, time.Hour, warmUp); err != nil {
		return err
	}
	return r.measure(name, at, func(address string) (load, error) {
		if rate > 0 {
			return openLoop(ctx, address, rate, r.length, atRandom(requests, status))
		}
		return closedLoop(ctx, []string{address}, r.length, atRandom(requests, status))
	})
}

func (b *bench) statusFigures() {
	for _, f := range []struct{ what, wanted, of, by string }{
		{
			"status read by client secret, 10,000 payments, 64 connections: throughput", "≥ 1.5 ×",
			"Status/kasse req/s", "Status/bare req/s",
		},
		{"… the older build of -beside", "", "Status/beside req/s", "Status/bare req/s"},
		{"… its p99", "≤ 1 ×", "Status/kasse p99-µs", "Status/bare p99-µs"},
		{"… the older build of -beside", "", "Status/beside p99-µs", "Status/bare p99-µs"},
		{"… with If-None-Match, unchanged", "≥ 1.8 ×", "Unchanged/kasse req/s", "Status/bare req/s"},
		{"… the older build of -beside", "", "Unchanged/beside req/s", "Status/bare req/s"},
		{"… processor time of the program", "", "Status/kasse cpu-µs/op", "Status/bare cpu-µs/op"},
		{"… the older build of -beside", "", "Status/beside cpu-µs/op", "Status/bare cpu-µs/op"},
		{"… at 5,000/s, open loop: p99", "≤ 0.5 ×", "Paced/kasse p99-µs", "Paced/bare p99-µs"},
		{"… the older build of -beside", "", "Paced/beside p99-µs", "Paced/bare p99-µs"},
		{"… processor time of the program", "", "Paced/kasse cpu-µs/op", "Paced/bare cpu-µs/op"},
		{"… the older build of -beside", "", "Paced/beside cpu-µs/op", "Paced/bare cpu-µs/op"},
		{"… with automatic pipelining alone", "", "Status/piped req/s", "Status/bare req/s"},
		{"… with neither optimization", "", "Status/plain req/s", "Status/bare req/s"},
	} {
		if len(b.results[f.of]) > 0 {
			b.figure(f.what, f.wanted, "%s", b.ratio(f.of, f.by))
		}
	}
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

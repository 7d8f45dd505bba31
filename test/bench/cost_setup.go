package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// costPayments is the number of payments that are read and changed. A test sets fewer.
var costPayments = 1_000

// warmUps is the number of webhooks to a new server before it is measured. It is even.
const warmUps = 200

// costSetup is one setup of Redis with its server. Only one server runs at a time, since two would share the background
// work.
type costSetup struct {
	*environment
	mode    string
	servers *testenv.Servers
	kasse   *testenv.Kasse // the running server
	idle    spent          // processor time per second without requests

	sim      *stripesim.Server
	stripe   string // its URL
	counting string // its URL for Kasse, at which reads are counted
	customer string
	events   eventBook
	reads    atomic.Int64 // reads of payments by Kasse
	pushed   atomic.Int64 // deliveries that the endpoint has received
	endpoint string       // its URL

	round   int
	changes int               // of the seeded payments so far
	whole   [][]byte          // requests of a status that are answered with the view
	tags    [][]byte          // requests of a status that are answered with 304
	opened  map[string][]cart // orders of this round, by the task that opened them
}

// newCostSetup starts the servers and a simulated Stripe, and opens the payments.
func (b *bench) newCostSetup(ctx context.Context, mode string) (*costSetup, error) {
	b.environments++
	dir := filepath.Join(b.dir, fmt.Sprint("environment-", b.environments))
	s := &costSetup{mode: mode, opened: map[string][]cart{}}
	e, err := testenv.New(ctx, dir)
	if err != nil {
		return nil, err
	}
	s.environment = &environment{Env: e, bench: b, program: b.program}
	s.servers, err = testenv.NewServers(
		ctx, filepath.Join(dir, mode), mode, b.cost.replicas, "--appendfsync", b.cost.fsync,
		"--auto-aof-rewrite-percentage", "0", // a rewrite is not the cost of a request
	)
	if err != nil {
		e.Close()
		return nil, err
	}
	s.OnClose(s.servers.Close)
	if err = s.prepare(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return s, nil
}

func (s *costSetup) prepare(ctx context.Context) error {
	if err := s.startStripe(ctx); err != nil {
		return err
	}
	if err := s.initialize(ctx); err != nil {
		return err
	}
	if err := s.start(ctx, nil); err != nil {
		return err
	}
	return s.seed(ctx, server{s.kasse.Public, s.kasse.PID()}, costPayments)
}

// settings returns the settings of a server.
func (s *costSetup) settings(more map[string]string) map[string]string {
	all := map[string]string{
		"STRIPE_API_BASE": s.counting, "STRIPE_WEBHOOK_SECRETS": hookSecret, "STRIPE_SECRET_KEY": "sk_test_bench",
		"STRIPE_READ_RPS": "100", "REDIS_DURABILITY": "off", "REDIS_PARTITIONS": "16",
		"RATE_LIMIT_SERVICE": "999999/s", "RATE_LIMIT_FRONTEND": "10000/s", "RATE_LIMIT_FRONTEND_STRIPE": "off",
		"RATE_LIMIT_ADDRESS": "10000/s", "REDIS_WAIT_REPLICAS": strconv.Itoa(s.confirmed()),
		"REDIS_WAIT_TIMEOUT": "2s", // enough on a busy machine
	}
	maps.Copy(all, s.servers.Settings())
	maps.Copy(all, more)
	return all
}

// confirmed returns REDIS_WAIT_REPLICAS of the setup.
func (s *costSetup) confirmed() int {
	if len(s.servers.Replicas) == 0 {
		return 0
	}
	return s.cost.confirmed()
}

// confirmed returns REDIS_WAIT_REPLICAS of setups with replicas.
func (o costOptions) confirmed() int {
	if o.confirm < 0 {
		return o.replicas
	}
	return o.confirm
}

// initialize runs kasse init.
func (s *costSetup) initialize(ctx context.Context) error {
	p, err := s.Start(s.program, s.Settings(s.settings(nil)), "init")
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

func (s *costSetup) start(ctx context.Context, more map[string]string) (err error) {
	s.kasse, err = s.StartKasse(ctx, s.program, s.settings(more))
	return err
}

// begin starts a server, loads all views into its memory and opens its connections. If the server has an endpoint,
// begin waits until it has received the events of earlier tasks.
func (s *costSetup) begin(ctx context.Context, more map[string]string) error {
	if err := s.start(ctx, more); err != nil {
		return err
	}
	var err error
	if s.whole, s.tags, err = readEach(s.kasse.Public, costPayments); err != nil {
		return err
	}
	if _, err := s.alternate(ctx, warmUps, 0); err != nil {
		return err
	}
	if len(more) == 0 {
		return nil
	}
	for had := int64(-1); had != s.pushed.Load(); {
		had = s.pushed.Load()
		if !wait.Pause(ctx, 300*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kasse/test/wait"
)

// kind is one kind of round.
type kind struct {
	name    string
	servers int
	redis   []string          // arguments of redis-server
	env     map[string]string // settings of Kasse
	power   bool              // Redis runs with the fsync shim
	// replica: Redis has a replica. Acknowledged facts must survive; versions that were only shown may be lost.
	replica bool
	// cluster: Redis is a cluster, and the same may be lost. Short rounds leave it out.
	cluster bool
	shape   clusterShape // of the cluster
	// unconfirmed: the cluster promotes a replica that has not confirmed. Each master has two, and no views are
	// watched.
	unconfirmed bool
	single      bool          // the fault comes once and is long
	patience    time.Duration // time limit for one payment to reach its state; 0: wait.Patience
	before      func(ctx context.Context, s *workload) error
	inject      func(ctx context.Context, s *workload, m moment, z size) error // injects the fault and ends it
}

func (k kind) shimFrom(t tools) string {
	if k.power {
		return t.shim
	}
	return ""
}

// command returns the command that runs rounds of this kind.
func (k kind) command() string {
	if !k.cluster {
		return fmt.Sprintf("make chaos ROUNDS='^%s$'", k.name)
	}
	return fmt.Sprintf("make cluster ROUNDS=%s REPLICAS=%d WAIT=%d", k.name, k.shape.replicas, k.shape.confirming)
}

// faults returns how often the fault is injected.
func (k kind) faults(z size) int {
	if k.single {
		return 1
	}
	return z.faults
}

// result is one line of the table.
type result struct {
	round                    string
	tried, survived, refused int
	acknowledged, found      int
	lost, twice, wrong       int
	changes, reads, hits     int      // changes and checked reads of the watched views; cache hits of all views
	reasons                  []string // of the lost, duplicate and wrong facts
	notes                    string   // lines printed beside the result
}

func (r result) failed() bool { return r.lost+r.twice+r.wrong > 0 || r.survived < r.tried }

// roundLimit ends a round that hangs.
const roundLimit = 8 * time.Minute

// runRound runs one round and returns its result. It leaves no process behind.
func runRound(ctx context.Context, dir string, t tools, k kind, seed uint64, z size) (result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, roundLimit, errors.New("the round took too long"))
	defer cancel()
	p := newPlan(seed, k.name, z, k.faults(z))
	env, err := newEnvironment(ctx, dir, t, k, p)
	if err != nil {
		return result{}, err
	}
	defer env.Close()
	env.oracle.nonDurable = k.replica || k.cluster
	s := &workload{environment: env, payments: map[string]string{}, patience: wait.Patience}
	if k.patience > 0 {
		s.patience = k.patience
	}
	r := result{round: k.name}
	if err := s.run(ctx, k, p, z, seed, &r); err != nil {
		return r, err
	}
	return r, nil
}

// run runs a round: load with faults, then healthy links, then the checks.
func (s *workload) run(ctx context.Context, k kind, p plan, z size, seed uint64, r *result) error {
	if k.before != nil {
		if err := k.before(ctx, s); err != nil {
			return err
		}
	}
	stopWatching := func() {}
	if k.cluster {
		stopTrace, err := s.cluster.trace(ctx)
		if err != nil {
			return err
		}
		defer stopTrace()
		defer s.cluster.stall(ctx, p.seed)()
	}
	if k.cluster && !k.unconfirmed {
		var err error
		if stopWatching, err = s.watchViews(ctx, k.name, seed); err != nil {
			return err
		}
	}
	s.began = time.Now()
	stop := make(chan struct{})
	var load, feed sync.WaitGroup
	feed.Go(func() { s.follow(ctx, stop) })
	load.Go(func() { s.load(ctx, p.orders) })
	for i, m := range p.moments {
		if !wait.Pause(ctx, time.Until(s.began.Add(m.at))) {
			break
		}
		r.tried++
		err := k.inject(ctx, s, m, z)
		s.restoreLinks()
		if err == nil {
			err = s.verify(ctx)
		}
		if err == nil {
			err = s.canary(ctx, orderName("canary-"+k.name, seed, i))
		}
		if err != nil {
			r.reasons = append(r.reasons, fmt.Sprintf("fault %d: %v", i+1, err))
			continue
		}
		r.survived++
	}
	load.Wait()
	stopWatching()
	if k.cluster {
		r.hits = s.hits(ctx)
	}
	err := s.checkResults(ctx, func() { close(stop); feed.Wait() })
	s.count(r)
	return err
}

// checkResults waits until nothing is in flight, then compares everything with Stripe.
func (s *workload) checkResults(ctx context.Context, endFeed func()) error {
	err := wait.For(ctx, func() error {
		if n := s.Sender.Waiting(); n > 0 {
			return fmt.Errorf("%d events are not accepted by Kasse", n)
		}
		if n := s.Stripe.Sim.Undelivered(); n > 0 {
			return fmt.Errorf("%d events are not delivered by Stripe", n)
		}
		return nil
	})
	if err != nil {
		s.oracle.addWrong("webhooks", err.Error())
	}
	for _, h := range s.done {
		if err := s.awaitState(ctx, h); err != nil {
			s.oracle.addWrong(h.Order, err.Error())
			if ctx.Err() != nil {
				break
			}
		}
	}
	err = s.checkStripe(ctx)
	endFeed()
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err := s.verify(ctx); err != nil {
		return err
	}
	now, err := s.readStored(ctx)
	s.oracle.reviewStream(now)
	return err
}

// checkStripe checks the objects at Stripe for duplicates.
func (s *workload) checkStripe(ctx context.Context) error {
	found, err := s.Stripe.Review(ctx, s.done)
	for order, why := range found.Twice {
		s.oracle.addTwice(order, why)
	}
	return err
}

// count fills in the result.
func (s *workload) count(r *result) {
	o := s.oracle
	o.mu.Lock()
	defer o.mu.Unlock()
	r.lost, r.twice, r.wrong = len(o.lost), len(o.twice), len(o.wrong)
	r.acknowledged, r.found = len(o.events)+len(o.opened)+len(o.shown), len(o.found)
	r.refused = int(s.refused.Load())
	r.notes = s.notes.String()
	r.changes, r.reads = s.watched.changes, s.watched.reads
	for name, list := range map[string]map[string]string{"lost": o.lost, "twice": o.twice, "wrong": o.wrong} {
		for what, why := range list {
			r.reasons = append(r.reasons, fmt.Sprintf("%s: %s: %s", name, what, why))
		}
	}
	slices.Sort(r.reasons)
}

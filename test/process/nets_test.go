package process_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// lead opens so many payments and leads each through a life.
func (w *processEnv) lead(p *process, count int) []view {
	w.t.Helper()
	customer := w.customer()
	opened := make([]view, count)
	var work sync.WaitGroup
	for i := range opened {
		work.Go(func() {
			opened[i] = w.createPatiently(p, fmt.Sprintf("net-%d", i), customer)
			lives[i%len(lives)](w, opened[i])
		})
	}
	work.Wait()
	return opened
}

// runs runs a command that must succeed, and returns its output. If a running server has taken the lease of
// the nets first, the lease is removed and the command tried again.
func (w *processEnv) runs(args ...string) (said string) {
	w.t.Helper()
	redis := w.openRedis()
	wait.Until(w.t, fmt.Sprint("kasse ", args), func() error {
		p := w.command(nil, args...)
		said = p.stdout.String()
		if p.command.ProcessState.ExitCode() == 0 {
			return nil
		}
		if !strings.Contains(p.stderr.String(), "another process holds the lease") {
			w.t.Fatalf("kasse %v ended with %d: %s", args, p.command.ProcessState.ExitCode(), p.stderr.String())
		}
		redis.Del(w.t.Context(), "kasse:{p0}:lease:nets")
		return errors.New("the lease was held")
	})
	return said
}

// deaf runs a server that gets no webhooks, and that is stopped before its nets can have seen anything.
func (w *processEnv) deaf(live func(*process)) {
	w.t.Helper()
	p := w.serve(1, nil)[0]
	w.balancer.set()
	live(p)
	p.terminate()
	expect(w.t, "exit code", p.exitCode(), 0)
}

// Three in ten webhooks are lost on the way. One pass of reconciliation, and every state is right.
func TestReconcileAfterLostWebhooks(t *testing.T) {
	t.Parallel()
	seed := seeded(t)
	w := newEnv(t, stripesim.Options{Seed: seed, Settle: time.Hour})
	p := w.serve(1, nil)[0]
	w.balancer.lose(seed, 0.3)
	opened := w.lead(p, 48)
	w.no(w.sim.Drain(t.Context()))
	if lost := w.balancer.lost(); lost == 0 {
		t.Fatal("no webhook was lost")
	}
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
	said := w.runs("reconcile", "-since", "1h")
	if !strings.Contains(said, "Done:") {
		t.Errorf("it said %q", said)
	}
	all := w.serve(1, nil)
	w.no(w.compare(all, opened))
}

// Stripe makes no event of anything. The sweep finds it out, payment by payment, once each is due.
func TestSweepWithoutEvents(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour, Drop: 1})
	var opened []view
	w.deaf(func(p *process) { opened = w.lead(p, 24) })
	redis := w.openRedis()
	w.makeDue(redis)
	w.runs("reconcile")
	w.no(w.compare(w.serve(1, nil), opened))
}

// makeDue lets the time pass until every payment is swept.
func (w *processEnv) makeDue(client *redis.Client) {
	w.t.Helper()
	for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:sweep").Val() {
		for _, id := range client.ZRange(w.t.Context(), key, 0, -1).Val() {
			w.no(client.ZAdd(w.t.Context(), key, redis.Z{Member: id}).Err())
		}
	}
}

// shown is a backend's view of every order, except the times of changes, which a rebuild cannot know.
func (w *processEnv) shown(p *process, opened []view) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, v := range opened {
		var order map[string]any
		p.must(http.StatusOK, readerKey, http.MethodGet, "/v1/orders/"+v.OrderID, "").decode(w.t, &order)
		views := []any{order["payment"]}
		superseded, _ := order["superseded"].([]any)
		for _, payment := range append(views, superseded...) {
			payment, _ := payment.(map[string]any)
			payment["fulfillable_at"] = payment["fulfillable_at"] != nil
			delete(payment, "version")
			delete(payment, "updated_at")
		}
		text, _ := json.Marshal(order)
		all[v.OrderID] = string(text)
	}
	return all
}

// Redis is lost. Nothing is sold until a rebuild has ended, also not after one that was killed; then all is as before.
func TestRebuildAfterALoss(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	p := w.serve(1, nil)[0]
	opened := w.lead(p, 36)
	w.cancelSome(p, opened)
	redis := w.openRedis()
	wait.Until(t, "what waits to be read", func() error { return yet(w.waitingReads(redis) == 0) })
	before := w.shown(p, opened)
	latest := p.must(http.StatusOK, backendKey, http.MethodGet, "/v1/events?after=latest", "")
	var page struct{ Next string }
	latest.decode(t, &page)

	w.wipe()
	w.sellsNothing(p, "not initialised")
	w.killsRebuild()
	w.sellsNothing(p, "rebuild")
	redis.Del(t.Context(), "kasse:{p0}:lease:nets") // 30 seconds later
	w.interruptsRebuild()

	w.runs("rebuild")
	w.sameOrders(before, w.shown(p, opened)) // the server that ran all the time
	w.runs("rebuild")                        // of a whole Redis
	second := w.serve(1, nil)[0]
	w.sameOrders(before, w.shown(second, opened))
	p.must(http.StatusGone, backendKey, http.MethodGet, "/v1/events?after="+page.Next, "")
	p.restoresFeed()
}

// cancelSome cancels the first payment of those that are still open, and waits for Stripe's events.
func (w *processEnv) cancelSome(p *process, opened []view) {
	w.t.Helper()
	for i, v := range opened[:4] {
		if i%len(lives) == 0 {
			p.must(
				http.StatusOK, backendKey, http.MethodPost, "/v1/payments/"+v.PaymentIntent+"/cancel",
				`{"reason":"abandoned"}`,
			)
		}
	}
	w.no(w.sim.Drain(w.t.Context()))
}

// sellsNothing fails the test if a server starts, or if the one that runs takes a create.
func (w *processEnv) sellsNothing(p *process, reason string) {
	w.t.Helper()
	w.refuses(nil, reason, "kasse rebuild")
	p.mustBeUnavailable(p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody("net-1", w.customer())))
}

// hangingRebuild starts a rebuild, and returns once Stripe holds up the answer to one of its requests.
func (w *processEnv) hangingRebuild() *process {
	w.t.Helper()
	w.no(w.sim.SetLatency("GET /v1/refunds", time.Hour))
	asked := w.sim.Count("GET /v1/refunds") // by the server that runs
	settings := w.settings(map[string]string{"STRIPE_TIMEOUT": "5m"})
	p := run(w.t, binary(w.t, kasseBinary), settings, "rebuild")
	wait.Until(w.t, "the rebuild to ask for refunds", func() error {
		return yet(w.sim.Count("GET /v1/refunds") > asked)
	})
	return p
}

// killsRebuild kills a rebuild, beside which a second one ends at once.
func (w *processEnv) killsRebuild() {
	w.t.Helper()
	killed := w.hangingRebuild()
	second := run(w.t, binary(w.t, kasseBinary), w.settings(nil), "rebuild")
	expect(w.t, "exit code of a second one beside it", second.exitCode(), 1)
	if said := second.stderr.String(); !strings.Contains(said, "lease") {
		w.t.Errorf("the second one said %q", said)
	}
	killed.kill()
	w.sim.ClearFaults()
}

func (w *processEnv) interruptsRebuild() {
	w.t.Helper()
	signalled := w.hangingRebuild()
	signalled.terminate()
	expect(w.t, "exit code after SIGTERM", signalled.exitCode(), 1)
	if said := signalled.stderr.String(); !strings.Contains(said, "interrupted") {
		w.t.Errorf("after SIGTERM it said %q", said)
	}
	w.sim.ClearFaults()
}

// restoresFeed fails the test unless the feed has entries and each is marked as restored.
func (p *process) restoresFeed() {
	p.t.Helper()
	var feed struct {
		Events []struct {
			ID       string
			Restored bool
		}
	}
	p.must(http.StatusOK, backendKey, http.MethodGet, "/v1/events?limit=500", "").decode(p.t, &feed)
	if len(feed.Events) == 0 {
		p.t.Error("the feed is empty")
	}
	for _, event := range feed.Events {
		expect(p.t, event.ID+" is announced as restored", event.Restored, true)
	}
}

func (w *processEnv) sameOrders(before, after map[string]string) {
	w.t.Helper()
	for id, was := range before {
		if after[id] != was {
			w.t.Errorf("%s was\n%s, is\n%s", id, was, after[id])
		}
	}
}

// Of two processes one holds the nets; when it is killed, or stopped, the other takes over.
func TestOneHoldsTheNets(t *testing.T) {
	t.Parallel()
	const holds = "background tasks: this replica runs catch-up and sweep"
	w := newEnv(t, stripesim.Options{})
	all := w.serve(2, nil)
	holder := func() (found *process) {
		for _, p := range all {
			if !p.hasEnded() && strings.Contains(p.stderr.String(), holds) {
				if found != nil {
					t.Error("two processes hold the nets")
				}
				found = p
			}
		}
		return found
	}
	wait.Until(t, "a holder", func() error { return yet(holder() != nil) })
	command := w.command(nil, "reconcile")
	expect(t, "exit code of a command beside it", command.command.ProcessState.ExitCode(), 0)
	if said := command.stdout.String(); !strings.Contains(said, "A running server runs the pass.") {
		t.Errorf("it said %q", said)
	}
	holder().kill()
	wait.Until(t, "another holder", func() error { return yet(holder() != nil) })
	last := holder()
	all = append(all, w.serve(1, nil)...)
	last.terminate()
	expect(t, "exit code", last.exitCode(), 0)
	wait.Until(t, "the third to hold them", func() error { return yet(holder() != nil) })
}

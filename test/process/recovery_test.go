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

// tasksLease is the key of the lease of the process that runs catch-up and sweep.
const tasksLease = "kasse:{p0}:lease:tasks"

// playPayments opens count payments, and plays a scenario with each.
func (w *processEnv) playPayments(p *process, count int) []view {
	w.t.Helper()
	customer := w.customer()
	opened := make([]view, count)
	var work sync.WaitGroup
	for i := range opened {
		work.Go(func() {
			opened[i] = w.createWithRetries(p, fmt.Sprintf("net-%d", i), customer)
			scenarios[i%len(scenarios)](w, opened[i])
		})
	}
	work.Wait()
	return opened
}

// runExclusive runs a command that must succeed, and returns its output. If a running server holds
// the lease of the background tasks, the lease is deleted and the command repeated.
func (w *processEnv) runExclusive(args ...string) (output string) {
	w.t.Helper()
	redis := w.openRedis()
	wait.Until(w.t, fmt.Sprint("kasse ", args), func() error {
		p := w.command(nil, args...)
		output = p.stdout.String()
		if p.command.ProcessState.ExitCode() == 0 {
			return nil
		}
		if !strings.Contains(p.stderr.String(), "another process holds the lease") {
			w.t.Fatalf("kasse %v: exit code %d, want 0: %s", args, p.command.ProcessState.ExitCode(), p.stderr.String())
		}
		redis.Del(w.t.Context(), tasksLease)
		return errors.New("a server held the lease")
	})
	return output
}

// serveWithoutWebhooks runs a server that gets no webhooks, and stops it before its background
// tasks can find a change.
func (w *processEnv) serveWithoutWebhooks(play func(*process)) {
	w.t.Helper()
	p := w.serve(1, nil)[0]
	w.balancer.set()
	play(p)
	p.terminate()
	expect(w.t, "exit code", p.exitCode(), 0)
}

// TestReconcileAfterLostWebhooks: three of ten webhooks are lost. After one pass of kasse reconcile
// every state is that of Stripe.
func TestReconcileAfterLostWebhooks(t *testing.T) {
	t.Parallel()
	seed := randomSeed(t)
	w := newEnv(t, stripesim.Options{Seed: seed, Settle: time.Hour})
	p := w.serve(1, nil)[0]
	w.balancer.dropShare(seed, 0.3)
	opened := w.playPayments(p, 48)
	w.noError(w.sim.Drain(t.Context()))
	if w.balancer.droppedCount() == 0 {
		t.Fatal("the balancer dropped no webhook, want three of ten")
	}
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
	expectContains(t, w.runExclusive("reconcile", "-since", "1h"), "Done:")
	all := w.serve(1, nil)
	w.noError(w.compare(all, opened))
}

// TestSweepWithoutEvents: Stripe sends no event. The sweep finds the change of each payment when it
// is due.
func TestSweepWithoutEvents(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour, Drop: 1})
	var opened []view
	w.serveWithoutWebhooks(func(p *process) { opened = w.playPayments(p, 24) })
	redis := w.openRedis()
	w.makeSweepDue(redis)
	w.runExclusive("reconcile")
	w.noError(w.compare(w.serve(1, nil), opened))
}

// makeSweepDue makes the sweep of every payment due.
func (w *processEnv) makeSweepDue(client *redis.Client) {
	w.t.Helper()
	for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:sweep").Val() {
		for _, id := range client.ZRange(w.t.Context(), key, 0, -1).Val() {
			w.noError(client.ZAdd(w.t.Context(), key, redis.Z{Member: id}).Err())
		}
	}
}

// shown returns the backend's view of every order, without the times of changes, which a rebuild
// cannot know.
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

// TestRebuildAfterALoss: Redis is wiped. Kasse opens no payment before the end of a rebuild, also
// not after a rebuild that was killed. Then all orders are as before.
func TestRebuildAfterALoss(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	p := w.serve(1, nil)[0]
	opened := w.playPayments(p, 36)
	w.cancelSome(p, opened)
	redis := w.openRedis()
	wait.Until(t, "the end of the queued reads", func() error { return w.queuedReads(redis) })
	before := w.shown(p, opened)
	latest := p.must(http.StatusOK, backendKey, http.MethodGet, "/v1/events?after=latest", "")
	var page struct{ Next string }
	latest.decode(t, &page)

	w.wipe()
	w.checkNoSales(p, "not initialised")
	w.killRebuild()
	w.checkNoSales(p, "rebuild")
	redis.Del(t.Context(), tasksLease) // as if the killed rebuild's lease had expired
	w.interruptRebuild()

	w.runExclusive("rebuild")
	w.checkSameOrders(before, w.shown(p, opened)) // at the server that has run all the time
	w.runExclusive("rebuild")                     // of a complete Redis
	second := w.serve(1, nil)[0]
	w.checkSameOrders(before, w.shown(second, opened))
	p.must(http.StatusGone, backendKey, http.MethodGet, "/v1/events?after="+page.Next, "")
	p.checkRestoredFeed()
}

// cancelSome cancels a payment that is still open, and waits for Stripe's events.
func (w *processEnv) cancelSome(p *process, opened []view) {
	w.t.Helper()
	for i, v := range opened[:4] {
		if i%len(scenarios) == 0 {
			p.must(
				http.StatusOK, backendKey, http.MethodPost, "/v1/payments/"+v.PaymentIntent+"/cancel",
				`{"reason":"abandoned"}`,
			)
		}
	}
	w.noError(w.sim.Drain(w.t.Context()))
}

// checkNoSales fails the test if a new server starts, or if the running one accepts a create.
func (w *processEnv) checkNoSales(p *process, reason string) {
	w.t.Helper()
	w.mustRefuse(nil, reason, "kasse rebuild")
	p.mustBeUnavailable(p.request(backendKey, http.MethodPost, "/v1/payments", orderBody("net-1", w.customer())))
}

// hangingRebuild starts a rebuild, and returns when one of its requests hangs at Stripe.
func (w *processEnv) hangingRebuild() *process {
	w.t.Helper()
	w.noError(w.sim.SetLatency(refundsRoute, time.Hour))
	before := w.sim.Count(refundsRoute) // by the running server
	settings := w.settings(map[string]string{"STRIPE_TIMEOUT": "5m"})
	p := run(w.t, binary(w.t, kasseBinary), settings, "rebuild")
	wait.UntilTrue(w.t, "the rebuild's request for refunds", func() bool {
		return w.sim.Count(refundsRoute) > before
	})
	return p
}

// killRebuild kills a rebuild. A second rebuild beside it fails, because the first holds the lease.
func (w *processEnv) killRebuild() {
	w.t.Helper()
	killed := w.hangingRebuild()
	second := run(w.t, binary(w.t, kasseBinary), w.settings(nil), "rebuild")
	expect(w.t, "exit code of a second rebuild", second.exitCode(), 1)
	expectContains(w.t, second.stderr.String(), "lease")
	killed.kill()
	w.sim.ClearFaults()
}

// interruptRebuild stops a rebuild by SIGTERM.
func (w *processEnv) interruptRebuild() {
	w.t.Helper()
	rebuild := w.hangingRebuild()
	rebuild.terminate()
	expect(w.t, "exit code after SIGTERM", rebuild.exitCode(), 1)
	expectContains(w.t, rebuild.stderr.String(), "interrupted")
	w.sim.ClearFaults()
}

// checkRestoredFeed fails the test unless the feed has entries and each is marked as restored.
func (p *process) checkRestoredFeed() {
	p.t.Helper()
	var feed struct {
		Events []struct {
			ID       string
			Restored bool
		}
	}
	p.must(http.StatusOK, backendKey, http.MethodGet, "/v1/events?limit=500", "").decode(p.t, &feed)
	if len(feed.Events) == 0 {
		p.t.Error("the feed is empty, want the restored events")
	}
	for _, event := range feed.Events {
		expect(p.t, "restored of "+event.ID, event.Restored, true)
	}
}

// checkSameOrders fails the test unless the orders are the same as before.
func (w *processEnv) checkSameOrders(before, after map[string]string) {
	w.t.Helper()
	for id, was := range before {
		if after[id] != was {
			w.t.Errorf("%s is\n%s, want\n%s", id, after[id], was)
		}
	}
}

// TestOneReplicaRunsBackgroundTasks: one of two processes runs catch-up and sweep. When it is
// killed or stopped, another takes over.
func TestOneReplicaRunsBackgroundTasks(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	all := w.serve(2, nil)
	holder := func() (found *process) {
		for _, p := range all {
			if !p.hasEnded() && strings.Contains(p.stderr.String(), holdsLeaseLine) {
				if found != nil {
					t.Error("two processes run the background tasks, want one")
				}
				found = p
			}
		}
		return found
	}
	wait.UntilTrue(t, "a process that runs the background tasks", func() bool { return holder() != nil })
	expect(t, "number of leases with the key "+tasksLease, w.openRedis().Exists(t.Context(), tasksLease).Val(), 1)
	command := w.command(nil, "reconcile")
	expect(t, "exit code of kasse reconcile", command.command.ProcessState.ExitCode(), 0)
	expectContains(t, command.stdout.String(), serverRunsPass)
	holder().kill()
	wait.UntilTrue(t, "a takeover after the kill", func() bool { return holder() != nil })
	last := holder()
	all = append(all, w.serve(1, nil)...)
	last.terminate()
	expect(t, "exit code of the second process", last.exitCode(), 0)
	wait.UntilTrue(t, "a takeover after the stop", func() bool { return holder() != nil })
}

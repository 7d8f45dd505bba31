package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// refundsRoute is the simulator's route of the list of refunds.
const refundsRoute = "GET /v1/refunds"

// Output of a command about the server that runs its pass, and the log line of this server.
const (
	serverRunsPass    = "A running server runs the pass."
	serverRunsOther   = "A running server first runs the pass of another command."
	serverStartsAgain = "The server that ran the pass has ended; another server starts it again."
	holdsLeaseLine    = "background tasks: this replica runs catch-up and sweep"
)

// serveCaughtUp starts count servers that get no webhooks, and waits for the end of their first
// catch-up. The next one begins five minutes later.
func (w *processEnv) serveCaughtUp(count int, changes map[string]string) []*process {
	w.t.Helper()
	all := w.serve(count, changes)
	w.balancer.set()
	redis := w.openRedis()
	wait.UntilTrue(w.t, "the first catch-up", func() bool {
		return redis.Exists(w.t.Context(), "kasse:{p0}:catchup").Val() == 1
	})
	return all
}

// hangingReconcile starts kasse reconcile, and returns when the server's pass hangs at Stripe.
func (w *processEnv) hangingReconcile() *process {
	w.t.Helper()
	w.noError(w.sim.SetLatency(refundsRoute, time.Hour))
	before := w.sim.Count(refundsRoute)
	command := run(w.t, binary(w.t, kasseBinary), w.settings(nil), "reconcile", "-since", "1h")
	wait.UntilTrue(w.t, "the server's pass", func() bool {
		return w.sim.Count(refundsRoute) > before && strings.Contains(command.stdout.String(), serverRunsPass)
	})
	return command
}

// outputAfter waits for the end of a command, which must have this exit code, and returns its
// output.
func (p *process) outputAfter(code int) string {
	p.t.Helper()
	expect(p.t, fmt.Sprintf("exit code of %v", p.command.Args[1:]), p.exitCode(), code)
	return p.stdout.String() + p.stderr.String()
}

// TestReconcileBesideAServer: no webhook arrives. The running server runs the pass of kasse
// reconcile, and the command shows its progress. After it every state is that of Stripe. -verify
// finds a forged success.
func TestReconcileBesideAServer(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	server := w.serveCaughtUp(1, map[string]string{"SUCCESS_VERIFICATION": "off", "STRIPE_TIMEOUT": "2s"})[0]
	opened := w.playPayments(server, 12)
	output := w.command(nil, "reconcile", "-since", "1h").outputAfter(0)
	expectContains(t, output, serverRunsPass, "Done: ", " had been missed")
	if strings.Contains(output, " 0 had been missed") {
		t.Errorf("kasse reconcile found no missed change: %s", output)
	}
	w.noError(w.compare([]*process{server}, opened))

	forged := server.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("forged", w.customer()),
	).view(t)
	server.forge(forged, "evt_forged")
	server.awaitState(forged, "paid")
	w.noError(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	output = w.command(nil, "reconcile", "-since", "1h", "-verify").outputAfter(1)
	expectContains(
		t, output, serverRunsPass, "the pass failed on the server: ", forged.PaymentIntent+" could not be verified",
	)
	w.sim.ClearFaults()
	output = w.command(nil, "reconcile", "-since", "1h", "-verify").outputAfter(0)
	expectContains(
		t, output, "NOT PAID at Stripe: "+forged.PaymentIntent+" of order forged", ", 1 of them not paid at Stripe",
	)
	if left := w.openRedis().HGetAll(t.Context(), "kasse:{p0}:passes").Val(); len(left) > 0 {
		t.Errorf("Redis still has the requests %v, want none", left)
	}
}

// TestReconcileBesideTwoServers: the server that runs the pass is killed. The other server, or the
// command, runs it again.
func TestReconcileBesideTwoServers(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	all := w.serveCaughtUp(2, map[string]string{"STRIPE_TIMEOUT": "5m"})
	opened := w.playPayments(all[0], 6)
	command := w.hangingReconcile()
	victim, other := all[0], all[1]
	if strings.Contains(other.stderr.String(), holdsLeaseLine) {
		victim, other = other, victim
	}
	victim.kill()
	w.sim.ClearFaults()
	w.openRedis().Del(t.Context(), tasksLease) // as if the lease of the killed server had expired
	output := command.outputAfter(0)
	expectContains(t, output, "Done: ")
	if strings.Contains(other.stderr.String(), "passes: started the pass that") {
		expectContains(t, output, serverStartsAgain)
	}
	w.noError(w.compare([]*process{other}, opened))
}

// TestInterruptedReconcileEndsItsPass: the interruption of a command ends its pass on the server.
// The server then runs the pass of the next command.
func TestInterruptedReconcileEndsItsPass(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	server := w.serveCaughtUp(1, map[string]string{"STRIPE_TIMEOUT": "5m"})[0]
	first := w.hangingReconcile()
	second := run(t, binary(t, kasseBinary), w.settings(nil), "reconcile", "-since", "2h")
	wait.UntilTrue(t, "the second command's line about the pass of the first", func() bool {
		return strings.Contains(second.stdout.String(), serverRunsOther)
	})
	w.sim.ClearFaults()
	first.terminate()
	expectContains(t, first.outputAfter(1), "interrupted")
	expectContains(t, second.outputAfter(0), serverRunsPass, "Done: ")
	expectContains(t, server.stderr.String(), "passes: stopped early")

	third := w.hangingReconcile()
	third.kill() // it cannot withdraw its request: the request expires
	wait.UntilTrue(t, "the end of the killed command's pass", func() bool {
		return strings.Count(server.stderr.String(), "passes: stopped early") == 2
	})
}

// TestReconcileBesideAnOldServer: a server of a version without requests for passes holds the
// lease. The command reports this and fails. With -verify it only verifies successes.
func TestReconcileBesideAnOldServer(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.serve(1, nil)[0].terminate() // the server has initialised Redis
	redis := w.openRedis()
	wait.UntilTrue(t, "the release of the lease", func() bool {
		return redis.Exists(t.Context(), tasksLease).Val() == 0
	})
	// A lease without an expiry, as if the server renewed it: both commands meet it on any machine.
	w.noError(redis.Set(t.Context(), tasksLease, "OLD", 0).Err())
	verifying := run(t, binary(t, kasseBinary), w.settings(nil), "reconcile", "-verify")
	output := w.command(nil, "reconcile").outputAfter(1)
	expectContains(t, output, "another process holds the lease", "accepts no requests", "update it")
	expectContains(t, verifying.outputAfter(0), "accepts no requests", "0 successes verified")
}

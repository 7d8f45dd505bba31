package process_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// Output of a command about its waiting and about the process that runs its pass.
const (
	refundsRoute   = "GET /v1/refunds"
	saysServer     = "A running server runs the pass."
	saysOther      = "A running server first runs the pass of another command."
	saysAgain      = "The server that ran the pass has ended; another server starts it again."
	holdsLeaseLine = "background tasks: this replica runs catch-up and sweep"
)

// serveCaughtUp starts so many servers that no webhook reaches, and waits until their first catch-up is over: the next
// comes in five minutes.
func (w *processEnv) serveCaughtUp(count int, changes map[string]string) []*process {
	w.t.Helper()
	all := w.serve(count, changes)
	w.balancer.set()
	redis := w.openRedis()
	wait.Until(w.t, "the first catch-up", func() error {
		return yet(redis.Exists(w.t.Context(), "kasse:{p0}:catchup").Val() == 1)
	})
	return all
}

// reconcileHung starts kasse reconcile and waits until the pass of the server hangs at Stripe.
func (w *processEnv) reconcileHung() *process {
	w.t.Helper()
	w.no(w.sim.SetLatency(refundsRoute, time.Hour))
	asked := w.sim.Count(refundsRoute)
	command := run(w.t, binary(w.t, kasseBinary), w.settings(nil), "reconcile", "-since", "1h")
	wait.Until(w.t, "the server's pass", func() error {
		return yet(w.sim.Count(refundsRoute) > asked && strings.Contains(command.stdout.String(), saysServer))
	})
	return command
}

// ends waits for the end of a command and returns its output.
func (p *process) ends(code int) string {
	p.t.Helper()
	expect(p.t, "exit code", p.exitCode(), code)
	return p.stdout.String() + p.stderr.String()
}

func says(t *testing.T, said string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(said, want) {
			t.Errorf("it did not say %q:\n%s", want, said)
		}
	}
}

// TestReconcileBesideAServer: all webhooks are lost. A pass beside the running server is made by the server: the
// command follows it, and ends when all is right. A forged success is found by -verify.
func TestReconcileBesideAServer(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	server := w.serveCaughtUp(1, map[string]string{"SUCCESS_VERIFICATION": "off", "STRIPE_TIMEOUT": "2s"})[0]
	opened := w.lead(server, 12)
	said := w.command(nil, "reconcile", "-since", "1h").ends(0)
	says(t, said, saysServer, "Done: ", " had been missed")
	if strings.Contains(said, " 0 had been missed") {
		t.Errorf("it found nothing: %s", said)
	}
	w.no(w.compare([]*process{server}, opened))

	forged := server.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("forged", w.customer()),
	).view(t)
	server.forge(forged, "evt_forged")
	server.awaitState(forged, "paid")
	w.no(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	said = w.command(nil, "reconcile", "-since", "1h", "-verify").ends(1)
	says(t, said, saysServer, "the pass failed on the server: ", forged.PaymentIntent+" could not be verified")
	w.sim.ClearFaults()
	said = w.command(nil, "reconcile", "-since", "1h", "-verify").ends(0)
	says(t, said, "NOT PAID at Stripe: "+forged.PaymentIntent+" of order forged", ", 1 of them not paid at Stripe")
	if left := w.openRedis().HGetAll(t.Context(), "kasse:{p0}:passes").Val(); len(left) > 0 {
		t.Errorf("there is left %v", left)
	}
}

// TestReconcileBesideTwoServers: the server that makes the pass is killed. The other one, or the command, makes it
// anew.
func TestReconcileBesideTwoServers(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Settle: time.Hour})
	all := w.serveCaughtUp(2, map[string]string{"STRIPE_TIMEOUT": "5m"})
	opened := w.lead(all[0], 6)
	command := w.reconcileHung()
	victim, other := all[0], all[1]
	if strings.Contains(other.stderr.String(), holdsLeaseLine) {
		victim, other = other, victim
	}
	victim.kill()
	w.sim.ClearFaults()
	w.openRedis().Del(t.Context(), "kasse:{p0}:lease:nets") // 30 seconds later
	said := command.ends(0)
	says(t, said, "Done: ")
	if again := strings.Contains(other.stderr.String(), "passes: started the pass that"); again {
		says(t, said, saysAgain)
	}
	w.no(w.compare([]*process{other}, opened))
}

// TestReconcileTakenBack: a command that is interrupted ends the server's pass, and the one that waits behind it gets
// its own.
func TestReconcileTakenBack(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	server := w.serveCaughtUp(1, map[string]string{"STRIPE_TIMEOUT": "5m"})[0]
	first := w.reconcileHung()
	second := run(t, binary(t, kasseBinary), w.settings(nil), "reconcile", "-since", "2h")
	wait.Until(t, "the second command to wait", func() error {
		return yet(strings.Contains(second.stdout.String(), saysOther))
	})
	w.sim.ClearFaults()
	first.terminate()
	says(t, first.ends(1), "interrupted")
	says(t, second.ends(0), saysServer, "Done: ")
	says(t, server.stderr.String(), "passes: stopped early")

	third := w.reconcileHung()
	third.kill() // it cannot withdraw its request, which expires
	wait.Until(t, "the server to end the pass", func() error {
		return yet(strings.Count(server.stderr.String(), "passes: stopped early") == 2)
	})
}

// TestReconcileBesideAnOldServer: if a server without support of requests holds the lease, the command
// reports that.
func TestReconcileBesideAnOldServer(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.serve(1, nil)[0].terminate() // it marks the Redis as ours
	redis := w.openRedis()
	wait.Until(t, "the lease to be free", func() error {
		return yet(redis.Exists(t.Context(), "kasse:{p0}:lease:nets").Val() == 0)
	})
	w.no(redis.Set(t.Context(), "kasse:{p0}:lease:nets", "OLD", 25*time.Second).Err())
	both := run(t, binary(t, kasseBinary), w.settings(nil), "reconcile", "-verify")
	says(t, w.command(nil, "reconcile").ends(1), "another process holds the lease", "accepts no requests", "update it")
	says(t, both.ends(0), "accepts no requests", "0 successes verified")
}

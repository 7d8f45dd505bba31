package process_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// held starts a poll that waits for a change of the payment, and returns its answer.
func (p *process) held(v view) <-chan answer {
	p.t.Helper()
	return p.heldIn("", v)
}

// heldIn is held in a trace; empty: in none.
func (p *process) heldIn(traceparent string, v view) <-chan answer {
	p.t.Helper()
	header := map[string]string{
		"Authorization": "Bearer " + v.ClientSecret, "If-None-Match": fmt.Sprintf(`"%d"`, v.Version),
	}
	if traceparent != "" {
		header["traceparent"] = traceparent
	}
	answered := make(chan answer, 1)
	go func() {
		a, _ := call(
			p.t.Context(), p.client, http.MethodGet, p.public+"/v1/payments/"+v.PaymentIntent+"?wait=25", header,
			"",
		)
		answered <- a
	}()
	return answered
}

// TestDrainDelay: after the signal the process is not ready and holds no poll, but serves all requests, on
// new connections too. The delay is long enough that nothing here depends on its end.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"DRAIN_DELAY": "10m", "SHUTDOWN_TIMEOUT": "20m"})[0]
	customer := w.customer()
	v := w.createPatiently(p, "drain-1", customer)
	var polls []<-chan answer
	for range 20 {
		polls = append(polls, p.held(v))
	}
	expect(t, "/readyz before the signal", p.probe("/readyz"), http.StatusOK)
	p.terminate()
	wait.Until(t, "/readyz as 503", func() error { return yet(p.probe("/readyz") == http.StatusServiceUnavailable) })
	for _, poll := range polls {
		expect(t, "answer to a held poll", (<-poll).status, http.StatusNotModified)
	}
	expect(t, "answer to a poll that comes now", (<-p.held(v)).status, http.StatusNotModified)
	expect(t, "/livez", p.probe("/livez"), http.StatusOK)
	p.client.CloseIdleConnections()
	w.createPatiently(p, "drain-2", customer)
	w.pay(v, "pm_card_visa")
	p.awaitState(v, "paid") // by a webhook
	if p.hasEnded() {
		t.Error("the process ended before its delay")
	}
}

// Each signal that asks a process to stop makes it drain: a terminal that closes sends SIGHUP.
func TestEverySignalDrains(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	hangup := make(chan os.Signal, 1) // a child inherits an ignored signal, as under nohup, and no handler
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		p := w.serve(1, map[string]string{"DRAIN_DELAY": "10m", "SHUTDOWN_TIMEOUT": "20m"})[0]
		if err := p.command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		wait.Until(
			t, "/readyz as 503", func() error { return yet(p.probe("/readyz") == http.StatusServiceUnavailable) },
		)
		expect(t, "/livez after "+signal.String(), p.probe("/livez"), http.StatusOK)
	}
	p := w.serve(1, nil)[0]
	if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect(t, "exit code", p.exitCode(), 0)
}

// After the delay the listener closes, a create that runs is finished, and the process ends well.
func TestRunningCreateIsFinished(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	if err := w.sim.AddFault(
		stripesim.Fault{Endpoint: createRoute, Kind: stripesim.Slow, Delay: 2 * time.Second},
	); err != nil {
		t.Fatal(err)
	}
	answered := p.createInBackground("running", customer)
	wait.Until(t, "the request at Stripe", func() error { return yet(w.sim.Count(createRoute) == 1) })
	p.terminate()
	wait.Until(t, "a closed listener", func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.public, "http://"))
		if err == nil {
			conn.Close()
		}
		return yet(err != nil)
	})
	expect(t, "answer to the running create", <-answered, http.StatusCreated)
	expect(t, "exit code", p.exitCode(), 0)
}

// TestShutdownTimeout: requests that do not end in time are cut off. The timeout counts from the signal and
// includes the delay.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"DRAIN_DELAY": "1h", "SHUTDOWN_TIMEOUT": "1s", "STRIPE_TIMEOUT": "1h"})[0]
	customer := w.customer()
	if err := w.sim.AddFault(stripesim.Fault{Endpoint: createRoute, Kind: stripesim.Timeout, Times: -1}); err != nil {
		t.Fatal(err)
	}
	answered := p.createInBackground("cut-off", customer)
	wait.Until(t, "the request at Stripe", func() error { return yet(w.sim.Count(createRoute) > 0) })
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
	expect(t, "answer to the create that was cut off", <-answered, 0)
	if !strings.Contains(p.stderr.String(), "SHUTDOWN_TIMEOUT") {
		t.Error("the log does not say that requests were cut off")
	}
}

// A process that is to stop before it has ever reached Redis stops.
func TestStopWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.redis.Kill()
	p := w.start(nil)
	expect(t, "/livez without Redis", p.probe("/livez"), http.StatusOK)
	expect(t, "/readyz without Redis", p.probe("/readyz"), http.StatusServiceUnavailable)
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

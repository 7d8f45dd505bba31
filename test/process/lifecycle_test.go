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

// poll starts a poll that waits up to 25 s for a change of the payment. The channel gets its
// answer.
func (p *process) poll(v view) <-chan answer {
	p.t.Helper()
	return p.pollInTrace("", v)
}

// pollInTrace is poll with a traceparent; empty: without.
func (p *process) pollInTrace(traceparent string, v view) <-chan answer {
	p.t.Helper()
	header := map[string]string{
		"Authorization": "Bearer " + v.ClientSecret, "If-None-Match": fmt.Sprintf(`"%d"`, v.Version),
	}
	if traceparent != "" {
		header["traceparent"] = traceparent
	}
	answered := make(chan answer, 1)
	go func() {
		address := p.public + "/v1/payments/" + v.PaymentIntent + "?wait=25"
		a, _ := call(p.t.Context(), p.client, http.MethodGet, address, header, "")
		answered <- a
	}()
	return answered
}

// TestDrainDelay: after the signal the process is not ready and holds no poll, but serves all
// requests, also on new connections. The delay is so long that the test never reaches its end.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	all := w.serve(2, map[string]string{"DRAIN_DELAY": "10m", "SHUTDOWN_TIMEOUT": "20m"})
	p, other := all[0], all[1]
	customer := w.customer()
	v := w.createWithRetries(p, "drain-1", customer)
	// A poll that is not released ends after 25 s. This one starts first and is not released.
	unreleased := other.poll(v)
	var polls []<-chan answer
	for range 20 {
		polls = append(polls, p.poll(v))
	}
	expect(t, "/readyz before the signal", p.probe("/readyz"), http.StatusOK)
	p.terminate()
	wait.UntilTrue(t, "/readyz as 503", func() bool { return p.probe("/readyz") == http.StatusServiceUnavailable })
	for _, poll := range polls {
		expect(t, "status of a poll before the signal", (<-poll).status, http.StatusNotModified)
	}
	expect(t, "status of a poll after the signal", (<-p.poll(v)).status, http.StatusNotModified)
	select {
	case <-unreleased:
		t.Error("the polls ended only after 25 s, want at the signal")
	default:
	}
	expect(t, "/livez", p.probe("/livez"), http.StatusOK)
	p.client.CloseIdleConnections()
	w.createWithRetries(p, "drain-2", customer)
	w.pay(v, "pm_card_visa")
	p.awaitState(v, "paid") // by a webhook
	if p.hasEnded() {
		t.Error("the process ended before the end of DRAIN_DELAY")
	}
}

// TestEverySignalDrains: SIGTERM, SIGINT and SIGHUP make a process drain. A terminal that closes
// sends SIGHUP.
func TestEverySignalDrains(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	// A child inherits an ignored signal, as under nohup, but no handler.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		p := w.serve(1, map[string]string{"DRAIN_DELAY": "10m", "SHUTDOWN_TIMEOUT": "20m"})[0]
		if err := p.command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		wait.UntilTrue(t, "/readyz as 503 after "+signal.String(), func() bool {
			return p.probe("/readyz") == http.StatusServiceUnavailable
		})
		expect(t, "/livez after "+signal.String(), p.probe("/livez"), http.StatusOK)
	}
	p := w.serve(1, nil)[0]
	if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect(t, "exit code after SIGHUP", p.exitCode(), 0)
}

// TestRunningCreateIsFinished: after DRAIN_DELAY the listener closes, the running create is
// finished, and the process exits 0.
func TestRunningCreateIsFinished(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, nil)[0]
	customer := w.customer()
	slow := stripesim.Fault{Endpoint: createRoute, Kind: stripesim.Slow, Delay: 2 * time.Second}
	if err := w.sim.AddFault(slow); err != nil {
		t.Fatal(err)
	}
	answered := p.createInBackground("running", customer)
	wait.UntilTrue(t, "the request at Stripe", func() bool { return w.sim.Count(createRoute) == 1 })
	p.terminate()
	wait.UntilTrue(t, "a closed listener", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.public, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	expect(t, "status of the running create", <-answered, http.StatusCreated)
	expect(t, "exit code", p.exitCode(), 0)
}

// TestShutdownTimeout: SHUTDOWN_TIMEOUT ends requests that are still running. It counts from the
// signal and includes DRAIN_DELAY.
func TestShutdownTimeout(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"DRAIN_DELAY": "1h", "SHUTDOWN_TIMEOUT": "1s", "STRIPE_TIMEOUT": "1h"})[0]
	customer := w.customer()
	if err := w.sim.AddFault(stripesim.Fault{Endpoint: createRoute, Kind: stripesim.Timeout, Times: -1}); err != nil {
		t.Fatal(err)
	}
	answered := p.createInBackground("cut-off", customer)
	wait.UntilTrue(t, "the request at Stripe", func() bool { return w.sim.Count(createRoute) > 0 })
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
	expect(t, "status of the create that was cut off (0: no answer)", <-answered, 0)
	expectContains(t, p.stderr.String(), "requests were cut off at SHUTDOWN_TIMEOUT")
}

// TestStopWithoutRedis: a process that has never reached Redis stops at SIGTERM.
func TestStopWithoutRedis(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	w.redis.Kill()
	p := w.start(nil)
	expect(t, "/livez without Redis", p.probe("/livez"), http.StatusOK)
	expect(t, "/readyz without Redis", p.probe("/readyz"), http.StatusServiceUnavailable)
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

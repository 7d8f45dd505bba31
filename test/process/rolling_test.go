package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// loadBalancer forwards requests to the replicas whose /readyz answers 200, as an orchestrator's
// load balancer does. It never retries.
type loadBalancer struct {
	url       string
	forwarded atomic.Int64
	failed    atomic.Int64 // with 5xx, or without an answer

	mu     sync.Mutex
	ready  []string // base URLs
	next   int
	probes sync.WaitGroup
}

func newLoadBalancer(w *processEnv) *loadBalancer {
	b := &loadBalancer{}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			target, _ := url.Parse(b.pick())
			r.SetURL(target)
		},
		ModifyResponse: func(r *http.Response) error {
			b.forwarded.Add(1)
			if r.StatusCode >= http.StatusInternalServerError {
				b.failed.Add(1)
			}
			return nil
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) {
			b.failed.Add(1)
			rw.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(proxy)
	w.t.Cleanup(func() { server.Close(); transport.CloseIdleConnections(); b.probes.Wait() })
	b.url = server.URL
	return b
}

// pick returns the base URL of the next ready replica.
func (b *loadBalancer) pick() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return "http://127.0.0.1:1" // without a ready replica the request fails
	}
	b.next++
	return b.ready[b.next%len(b.ready)]
}

// has reports whether the process gets requests.
func (b *loadBalancer) has(p *process) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.ready, p.public)
}

// follow probes the process until it ends.
func (b *loadBalancer) follow(p *process) {
	b.probes.Go(func() {
		for !p.hasEnded() {
			a, err := call(p.t.Context(), p.client, http.MethodGet, p.admin+"/readyz", nil, "")
			b.set(p.public, err == nil && a.status == http.StatusOK)
			time.Sleep(20 * time.Millisecond) // the period of the probe
		}
		b.set(p.public, false)
	})
}

func (b *loadBalancer) set(address string, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = slices.DeleteFunc(b.ready, func(one string) bool { return one == address })
	if ready {
		b.ready = append(b.ready, address)
	}
}

// TestRollingRestart: three replicas are replaced one after the other, under load from callers and
// Stripe. No request fails.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	lb := newLoadBalancer(w)
	w.balancer.add(lb.url)
	start := func() *process {
		p := w.start(map[string]string{"DRAIN_DELAY": "10s", "SHUTDOWN_TIMEOUT": "60s"})
		lb.follow(p)
		wait.UntilTrue(t, "the replica in the load balancer", func() bool { return lb.has(p) })
		return p
	}
	old := []*process{start(), start(), start()}
	customer := w.customer()
	stop, done, bad := make(chan struct{}), sync.WaitGroup{}, make(chan error, 100)
	var served atomic.Int64
	for worker := range 4 {
		done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := oneOrder(w, lb.url, fmt.Sprintf("rolling-%d-%d", worker, n), customer); err != nil {
					select {
					case bad <- err:
					default:
					}
				}
				served.Add(1)
			}
		})
	}
	for i, p := range old {
		start()
		before := served.Load()
		p.terminate()
		wait.UntilTrue(t, "the removal of the old replica from the load balancer", func() bool { return !lb.has(p) })
		wait.UntilTrue(t, "20 orders after that", func() bool { return served.Load() > before+20 })
		t.Logf("replica %d drains after %d orders", i, served.Load())
	}
	for _, p := range old {
		expect(t, "exit code", p.exitCode(), 0)
	}
	close(stop)
	done.Wait()
	close(bad)
	for err := range bad {
		t.Error(err)
	}
	expect(t, "number of failed requests", lb.failed.Load(), 0)
	t.Logf("%d requests were forwarded", lb.forwarded.Load())
}

// oneOrder opens a payment and reads it twice, the second time with a poll that waits.
func oneOrder(w *processEnv, base, order, customer string) error {
	header := map[string]string{"Authorization": "Bearer " + backendKey, "Content-Type": "application/json"}
	a, err := call(w.t.Context(), w.client, http.MethodPost, base+"/v1/payments", header, orderBody(order, customer))
	if err := statusError("a create", a, err, http.StatusCreated); err != nil {
		return err
	}
	v := a.view(w.t)
	path := base + "/v1/payments/" + v.PaymentIntent
	header = map[string]string{"Authorization": "Bearer " + v.ClientSecret}
	a, err = call(w.t.Context(), w.client, http.MethodGet, path, header, "")
	if err := statusError("a poll", a, err, http.StatusOK); err != nil {
		return err
	}
	header["If-None-Match"] = a.header.Get("ETag")
	a, err = call(w.t.Context(), w.client, http.MethodGet, path+"?wait=1", header, "")
	return statusError("a poll that waits", a, err, http.StatusOK, http.StatusNotModified)
}

// statusError returns an error unless the response has one of the wanted statuses.
func statusError(what string, a answer, err error, wanted ...int) error {
	if err != nil {
		return fmt.Errorf("%s: no response: %w", what, err)
	}
	if !slices.Contains(wanted, a.status) {
		return fmt.Errorf("%s: got %d %s, want one of %v", what, a.status, a.body, wanted)
	}
	return nil
}

// TestLogLevelIsSwitched: SIGUSR1 switches a running process to the level debug, and back.
func TestLogLevelIsSwitched(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	p := w.serve(1, map[string]string{"LOG_LEVEL": "info"})[0]
	webhooks := func() int { return strings.Count(p.stderr.String(), `"msg":"webhook"`) }
	times := map[string]int{}
	switched := func(level string) {
		t.Helper()
		times[level]++
		if err := p.command.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		line := `"msg":"the log level was changed","now":"` + level + `"`
		wait.UntilTrue(t, "the level "+level, func() bool {
			return strings.Count(p.stderr.String(), line) == times[level]
		})
	}
	event := func(n int) string {
		return fmt.Sprintf(
			`{"id":"evt_%d","object":"event","type":"invoice.paid","created":%d,"data":{"object":{}}}`,
			n, time.Now().Unix(),
		)
	}
	deliver := func(n int) {
		t.Helper()
		a, err := p.deliver(event(n), hookSecret)
		w.noError(err)
		expect(t, "status of a delivery", a.status, http.StatusOK)
	}
	deliver(1)
	switched("DEBUG") // the log has all earlier lines
	expect(t, "number of lines about webhooks after one at the level info", webhooks(), 0)
	deliver(2)
	switched("INFO")
	expect(t, "number of lines about webhooks after one at the level debug", webhooks(), 1)
	deliver(3)
	switched("DEBUG")
	expect(t, "number of lines about webhooks after another at the level info", webhooks(), 1)
	if p.hasEnded() {
		t.Error("the process ended")
	}
}

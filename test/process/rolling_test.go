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

// front balances requests over the replicas whose /readyz answers 200, as an orchestrator's load balancer does. It
// never retries.
type front struct {
	url    string
	passed atomic.Int64
	failed atomic.Int64 // by 5xx, or without an answer

	mu      sync.Mutex
	ready   []string // public addresses
	next    int
	running sync.WaitGroup
}

func newFront(w *processEnv) *front {
	f := &front{}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			target, _ := url.Parse(f.pick())
			r.SetURL(target)
		},
		ModifyResponse: func(r *http.Response) error {
			f.passed.Add(1)
			if r.StatusCode >= http.StatusInternalServerError {
				f.failed.Add(1)
			}
			return nil
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, _ error) {
			f.failed.Add(1)
			rw.WriteHeader(http.StatusBadGateway)
		},
	}
	server := httptest.NewServer(proxy)
	w.t.Cleanup(func() { server.Close(); transport.CloseIdleConnections(); f.running.Wait() })
	f.url = server.URL
	return f
}

func (f *front) pick() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ready) == 0 {
		return "http://127.0.0.1:1" // no replica is ready: the request fails
	}
	f.next++
	return f.ready[f.next%len(f.ready)]
}

func (f *front) has(p *process) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.ready, p.public)
}

// follow asks the process whether it is ready, until it has ended.
func (f *front) follow(p *process) {
	f.running.Go(func() {
		for !p.hasEnded() {
			a, err := call(p.t.Context(), p.client, http.MethodGet, p.admin+"/readyz", nil, "")
			f.set(p.public, err == nil && a.status == http.StatusOK)
			time.Sleep(20 * time.Millisecond) // a probe's period
		}
		f.set(p.public, false)
	})
}

func (f *front) set(address string, ready bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = slices.DeleteFunc(f.ready, func(one string) bool { return one == address })
	if ready {
		f.ready = append(f.ready, address)
	}
}

// Three replicas are replaced one after the other while callers and Stripe go on: not one request fails.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	f := newFront(w)
	w.balancer.add(f.url)
	start := func() *process {
		p := w.start(map[string]string{"DRAIN_DELAY": "10s", "SHUTDOWN_TIMEOUT": "60s"})
		f.follow(p)
		wait.Until(t, "the replica behind the balancer", func() error { return yet(f.has(p)) })
		return p
	}
	old := []*process{start(), start(), start()}
	customer := w.customer()
	stop, done, bad := make(chan struct{}), sync.WaitGroup{}, make(chan string, 100)
	var served atomic.Int64
	for worker := range 4 {
		done.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if why := oneOrder(w, f.url, fmt.Sprintf("rolling-%d-%d", worker, n), customer); why != "" {
					select {
					case bad <- why:
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
		wait.Until(t, "the old replica out of the balancer", func() error { return yet(!f.has(p)) })
		wait.Until(t, "requests after that", func() error { return yet(served.Load() > before+20) })
		t.Logf("replica %d is being replaced after %d orders", i, served.Load())
	}
	for _, p := range old {
		expect(t, "exit code", p.exitCode(), 0)
	}
	close(stop)
	done.Wait()
	close(bad)
	for why := range bad {
		t.Error(why)
	}
	expect(t, "failed requests", f.failed.Load(), 0)
	t.Logf("%d requests passed", f.passed.Load())
}

// oneOrder opens a payment and reads it twice, the second time with a held poll; it returns the error.
func oneOrder(w *processEnv, base, order, customer string) string {
	header := map[string]string{"Authorization": "Bearer " + backendKey, "Content-Type": "application/json"}
	a, err := call(w.t.Context(), w.client, http.MethodPost, base+"/v1/payments", header, orderBody(order, customer))
	if err != nil || a.status != http.StatusCreated {
		return fmt.Sprintf("create: %d %v %s", a.status, err, a.body)
	}
	v := a.view(w.t)
	path := base + "/v1/payments/" + v.PaymentIntent
	asked := map[string]string{"Authorization": "Bearer " + v.ClientSecret}
	if a, err = call(
		w.t.Context(), w.client, http.MethodGet, path, asked, "",
	); err != nil || a.status != http.StatusOK {
		return fmt.Sprintf("status: %d %v %s", a.status, err, a.body)
	}
	asked["If-None-Match"] = a.header.Get("ETag")
	if a, err = call(
		w.t.Context(), w.client, http.MethodGet, path+"?wait=1", asked, "",
	); err != nil || (a.status != http.StatusNotModified && a.status != http.StatusOK) {
		return fmt.Sprintf("held poll: %d %v %s", a.status, err, a.body)
	}
	return ""
}

// SIGUSR1 shows more of a running process, and less again.
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
		wait.Until(t, "the level "+level, func() error {
			return yet(strings.Count(
				p.stderr.String(), `"msg":"the log level was changed","now":"`+level+`"`,
			) == times[level])
		})
	}
	event := func(n int) string {
		return fmt.Sprintf(
			`{"id":"evt_%d","object":"event","type":"invoice.paid","created":%d,"data":{"object":{}}}`, n,
			time.Now().Unix(),
		)
	}
	deliver := func(n int) {
		t.Helper()
		a, err := p.deliver(event(n), hookSecret)
		w.no(err)
		expect(t, "delivery", a.status, http.StatusOK)
	}
	deliver(1)
	switched("DEBUG") // all that came before has been printed then
	expect(t, "lines of webhooks at the level info", webhooks(), 0)
	deliver(2)
	switched("INFO")
	expect(t, "lines of webhooks at the level debug", webhooks(), 1)
	deliver(3)
	switched("DEBUG")
	expect(t, "lines of webhooks after that", webhooks(), 1)
	if p.hasEnded() {
		t.Error("the process ended")
	}
}

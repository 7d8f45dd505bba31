package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kasse/test/internal/testenv"
	"kasse/test/wait"
)

// front balances requests over the containers whose /readyz answers 200, as an orchestrator does. It repeats no
// request.
type front struct {
	passed, failed atomic.Int64
	why            atomic.Value // reason of the last failure, a string

	mu    sync.Mutex
	all   []container
	ready []*url.URL
	next  int
}

func (f *front) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if len(f.ready) == 0 {
		f.mu.Unlock()
		f.fail("no container is ready")
		out.WriteHeader(http.StatusBadGateway)
		return
	}
	f.next++
	target := f.ready[f.next%len(f.ready)]
	f.mu.Unlock()
	(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) },
		ModifyResponse: func(a *http.Response) error {
			f.passed.Add(1)
			if a.StatusCode >= http.StatusInternalServerError {
				f.fail(fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, a.StatusCode))
			}
			return nil
		},
		ErrorHandler: func(out http.ResponseWriter, _ *http.Request, err error) {
			f.fail(fmt.Sprintf("%s %s: %v", r.Method, r.URL.Path, err))
			out.WriteHeader(http.StatusBadGateway)
		},
	}).ServeHTTP(out, r)
}

func (f *front) fail(why string) { f.failed.Add(1); f.why.Store(why) }

func (f *front) set(all ...container) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
}

// await sets the containers and waits until one is ready.
func (f *front) await(ctx context.Context, all ...container) error {
	f.set(all...)
	return wait.For(ctx, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		ready := func(k container) bool { return k.public == f.ready[0].String() }
		if len(f.ready) == 0 || !slices.ContainsFunc(all, ready) {
			return errors.New("no container is ready")
		}
		return nil
	})
}

// probe reads /readyz of every container until the context ends.
func (f *front) probe(ctx context.Context) {
	client := &http.Client{Timeout: time.Second}
	for wait.Pause(ctx, 100*time.Millisecond) {
		f.mu.Lock()
		all := f.all
		f.mu.Unlock()
		var ready []*url.URL
		for _, k := range all {
			a, err := testenv.Call(ctx, client, http.MethodGet, k.admin+"/readyz", nil, "")
			if target, bad := url.Parse(k.public); err == nil && bad == nil && a.Status == http.StatusOK {
				ready = append(ready, target)
			}
		}
		f.mu.Lock()
		f.ready = ready
		f.mu.Unlock()
	}
}

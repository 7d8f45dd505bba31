package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/internal/town"
	"kasse/test/wait"
)

// hookSecret signs what Stripe sends here.
const hookSecret = "whsec_alerts_abcdef_1234567890"

// pushSecret signs what Kasse pushes; nobody verifies it here.
const pushSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// world is what one round runs in.
type world struct {
	dir      string
	programs programs
	settings map[string]string // of Kasse, beside the usual ones
	redis    *town.Redis
	bank     *town.Bank
	post     *post
	backend  *backend // that Kasse pushes events to
	receiver *receiver
	client   *http.Client

	mailbox    string // the URL that Stripe sends events to
	kasse      []*town.Kasse
	processes  []*town.Process
	watcher    *town.Process // Prometheus
	prometheus string        // base URLs
	manager    string

	closers []func()
}

// newWorld starts everything but Kasse's load. On an error nothing is left running.
func newWorld(ctx context.Context, dir string, p programs, f fault) (*world, error) {
	w := &world{dir: dir, programs: p, settings: map[string]string{}, client: &http.Client{Timeout: 30 * time.Second}}
	w.closers = append(w.closers, w.client.CloseIdleConnections)
	if err := w.open(ctx, f); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) open(ctx context.Context, f fault) error {
	if err := os.Mkdir(w.dir, 0o700); err != nil {
		return err
	}
	w.post = &post{client: w.client, life: ctx}
	w.backend, w.receiver = &backend{}, &receiver{arrived: map[string]time.Time{}}
	w.mailbox = w.serve(w.post)
	shop, pager := w.serve(w.backend), w.serve(w.receiver)
	w.bank = town.NewBank(1, w.mailbox)
	w.closers = append(w.closers, w.bank.Close)
	w.bank.Sim.RemoveWebhooks() // which are signed for another secret
	w.bank.Sim.AddWebhook(stripesim.Webhook{URL: w.mailbox, Secret: hookSecret})
	w.settings["STRIPE_WEBHOOK_SECRETS"] = hookSecret
	w.settings["EVENT_ALLOW_PRIVATE"], w.settings["EVENT_ENDPOINTS"] = "true", shop+"="+pushSecret
	maps.Copy(w.settings, f.settings)
	var err error
	if w.redis, err = town.NewRedis(filepath.Join(w.dir, "redis"), "--maxmemory", strconv.Itoa(maxMemory)); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { w.redis.Close() })
	if err := w.redis.Start(ctx); err != nil {
		return err
	}
	if f.before != nil {
		if err := f.before(ctx, w); err != nil {
			return err
		}
	}
	if err := w.launch(ctx, w.programs.kasse); err != nil {
		return err
	}
	return w.watch(ctx, pager)
}

// serve serves a handler on loopback, and returns its URL.
func (w *world) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	w.closers = append(w.closers, func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// launch starts a replica of Kasse. Prometheus scrapes it from then on, and Stripe's events go to it.
func (w *world) launch(ctx context.Context, program string) error {
	process, err := town.Start(
		w.dir, program, town.Settings("redis://"+w.redis.Address+"/0", w.bank.HTTP.URL, w.settings), "serve",
	)
	if err != nil {
		return err
	}
	w.processes = append(w.processes, process)
	k := &town.Kasse{Process: process}
	if err := k.AwaitListening(ctx); err != nil {
		return err
	}
	if err := k.AwaitReady(ctx); err != nil {
		return err
	}
	w.kasse = append(w.kasse, k)
	w.post.lead("http://" + k.Public)
	return w.target()
}

// target writes the addresses that Prometheus scrapes.
func (w *world) target() error {
	addresses := []string{}
	for _, k := range w.kasse {
		addresses = append(addresses, k.Admin)
	}
	text, err := json.Marshal([]map[string]any{{"targets": addresses}})
	if err != nil {
		return err
	}
	fresh := filepath.Join(w.dir, "targets.new")
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(w.dir, "targets.json"))
}

var listening = regexp.MustCompile(`msg="Listening on" address=([0-9.]+:[0-9]+)`)

// watch starts Alertmanager, which tells the receiver, and Prometheus, which tells Alertmanager.
func (w *world) watch(ctx context.Context, pager string) (err error) {
	w.manager, err = w.start(ctx, w.programs.alertmanager, map[string]any{
		"route": map[string]any{
			"receiver": "pager", "group_by": []string{"alertname"}, "group_wait": "100ms", "group_interval": "1s",
		},
		"receivers": []map[string]any{{"name": "pager", "webhook_configs": []map[string]any{{"url": pager}}}},
	}, "--cluster.listen-address=", "--storage.path="+filepath.Join(w.dir, "alertmanager"))
	if err != nil {
		return err
	}
	w.prometheus, err = w.start(ctx, w.programs.prometheus, map[string]any{
		"global":     map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{filepath.Join(w.dir, "rules-*.yaml")}, // which come later: see arm
		"scrape_configs": []map[string]any{{
			"job_name": "kasse", "file_sd_configs": []map[string]any{
				{"files": []string{filepath.Join(w.dir, "targets.json")}, "refresh_interval": "1s"},
			},
		}},
		"alerting": map[string]any{"alertmanagers": []map[string]any{
			{"static_configs": []map[string]any{{"targets": []string{w.manager[len("http://"):]}}}},
		}},
	}, "--storage.tsdb.path="+filepath.Join(w.dir, "prometheus"), "--rules.alert.resend-delay=1s")
	w.watcher = w.processes[len(w.processes)-1]
	return err
}

// quiet is how long the rules are evaluated before a fault, once a second.
const quiet = 5 * time.Second

// arm gives Prometheus the rules, now that it scrapes Kasse, and lets it evaluate them for a while.
func (w *world) arm(ctx context.Context) error {
	text, err := os.ReadFile(w.programs.rules)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "rules-kasse.yaml"), text, 0o600); err != nil {
		return err
	}
	w.watcher.Signal(syscall.SIGHUP)
	want := len(alertNames(string(text)))
	err = wait.For(ctx, func() error {
		loaded, err := w.rules(ctx)
		if err == nil && loaded != want {
			err = fmt.Errorf("%d of %d rules were evaluated", loaded, want)
		}
		return err
	})
	if err == nil && !wait.Pause(ctx, quiet) {
		err = ctx.Err()
	}
	return err
}

// start starts one of Prometheus's programs with its configuration, JSON being YAML, and returns its URL.
func (w *world) start(ctx context.Context, program string, config map[string]any, args ...string) (string, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	file := filepath.Join(w.dir, filepath.Base(program)+".yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", err
	}
	process, err := town.Start(w.dir, program, nil, append(
		args, "--config.file="+file, "--web.listen-address=127.0.0.1:0",
	)...)
	if err != nil {
		return "", err
	}
	w.processes = append(w.processes, process)
	found, err := process.Said(ctx, listening)
	if err != nil {
		return "", err
	}
	url := "http://" + found[1]
	return url, wait.For(ctx, func() error {
		a, err := town.Call(ctx, w.client, http.MethodGet, url+"/-/ready", nil, "")
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%s is not ready: %d", program, a.Status)
		}
		return err
	})
}

// close ends every process, and what is ours.
func (w *world) close() {
	if w.backend != nil {
		w.backend.release()
	}
	for _, p := range w.processes {
		p.Kill()
	}
	if w.post != nil {
		w.post.all.Wait()
	}
	for _, closeIt := range slices.Backward(w.closers) {
		closeIt()
	}
}

// post brings Stripe's events to Kasse, late where a fault wants it.
type post struct {
	client *http.Client
	life   context.Context //nolint:containedctx // a delivery outlives the request that brought its event

	mu   sync.Mutex
	to   string
	late time.Duration
	all  sync.WaitGroup
}

func (p *post) lead(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *post) delay(late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = late
}

// ServeHTTP takes an event, and brings it to Kasse. What is late is acknowledged to Stripe at once.
func (p *post) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	to, late := p.to, p.late
	p.mu.Unlock()
	header := map[string]string{
		"Stripe-Signature": r.Header.Get("Stripe-Signature"), "Content-Type": r.Header.Get("Content-Type"),
	}
	deliver := func(ctx context.Context) int {
		a, _ := town.Call(ctx, p.client, http.MethodPost, to+"/webhooks/stripe", header, string(body))
		return a.Status
	}
	if late == 0 {
		if status := deliver(r.Context()); status != 0 {
			out.WriteHeader(status)
			return
		}
		out.WriteHeader(http.StatusBadGateway)
		return
	}
	p.all.Go(func() {
		if wait.Pause(p.life, late) {
			deliver(p.life)
		}
	})
}

// backend is the shop's, to which Kasse pushes events. It accepts them, unless a fault wants otherwise.
type backend struct {
	mu     sync.Mutex
	status int           // of every answer; 0 is 200
	hung   chan struct{} // while it is there, no answer comes before it is closed
}

func (b *backend) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *backend) hang() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hung = make(chan struct{})
}

func (b *backend) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hung != nil {
		close(b.hung)
		b.hung = nil
	}
}

func (b *backend) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	status, hung := b.status, b.hung
	b.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
		return
	}
	if status != 0 {
		out.WriteHeader(status)
	}
}

// receiver is the pager: Alertmanager's webhook.
type receiver struct {
	mu      sync.Mutex
	arrived map[string]time.Time // the first notification of each alert
}

// ServeHTTP takes a notification: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config.
func (r *receiver) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	var told struct {
		Alerts []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(request.Body); err != nil || json.Unmarshal(body.Bytes(), &told) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, alert := range told.Alerts {
		if name := alert.Labels["alertname"]; alert.Status == "firing" && r.arrived[name].IsZero() {
			r.arrived[name] = time.Now()
		}
	}
}

// first is when an alert arrived first.
func (r *receiver) first(alert string) (time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.arrived[alert]; ok {
		return at, nil
	}
	return time.Time{}, errors.New("the alert has not arrived at the receiver")
}

// others are the other alerts that arrived, in the order of their names.
func (r *receiver) others(alert string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.arrived)) {
		if name != alert {
			names = append(names, name)
		}
	}
	return names
}

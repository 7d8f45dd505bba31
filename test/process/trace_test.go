package process_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// receiver takes spans as a collector does, over OTLP.
type receiver struct {
	url string

	mu    sync.Mutex
	spans []*spans.Span
	all   strings.Builder // all output, searched for secrets
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// ServeHTTP takes one batch.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	var batch collector.ExportTraceServiceRequest
	if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.all, batch.String())
	for _, resource := range batch.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
}

// find returns the span of that name in the trace.
func (r *receiver) find(traceID, name string) *spans.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, span := range r.spans {
		if fmt.Sprintf("%x", span.GetTraceId()) == traceID && span.GetName() == name {
			return span
		}
	}
	return nil
}

func (r *receiver) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

// headers passes requests on, and keeps which traceparent came with them.
type headers struct {
	mu   sync.Mutex
	seen map[string]string // by method and path
	next http.Handler
}

// ServeHTTP passes one request on.
func (h *headers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.seen[r.Method+" "+r.URL.Path] = r.Header.Get("traceparent")
	h.mu.Unlock()
	h.next.ServeHTTP(w, r)
}

func (h *headers) of(request string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[request]
}

func listen(t *testing.T, next http.Handler) (*headers, string) {
	t.Helper()
	h := &headers{seen: map[string]string{}, next: next}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

// A trace that a caller begins goes on to Stripe, to Redis and, with the event, to the backend; the log names it;
// and no span holds an id or a secret.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stripesim.Options{})
	r := newReceiver(t)
	simulator, err := url.Parse(w.stripe)
	w.no(err)
	stripe, stripeURL := listen(t, httputil.NewSingleHostReverseProxy(simulator))
	backend, backendURL := listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	p := w.start(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": r.url, "OTEL_BSP_SCHEDULE_DELAY": "50", "STRIPE_API_BASE": stripeURL,
		"EVENT_ALLOW_PRIVATE": "true", "EVENT_ENDPOINTS": backendURL + "/hook=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	})
	p.awaitReady() // the balancer does not know it: Stripe's deliveries come by our hands
	const create, paid = "11111111111111111111111111111111", "22222222222222222222222222222222"
	const held = "44444444444444444444444444444444"
	const parent = "3333333333333333"
	customer := w.customer()
	header := map[string]string{
		"Authorization": "Bearer " + backendKey, "Content-Type": "application/json",
		"traceparent": "00-" + create + "-" + parent + "-01",
	}
	a, err := call(
		t.Context(), w.client, http.MethodPost, p.public+"/v1/payments", header, orderBody("traced", customer),
	)
	w.no(err)
	expect(t, "create", a.status, http.StatusCreated)
	v := a.view(t)
	before, _ := p.metric("kasse_waiters")
	poll := p.heldIn("00-"+held+"-"+parent+"-01", v)
	wait.Until(t, "the held poll", func() error {
		waiters, _ := p.metric("kasse_waiters")
		return yet(waiters > before)
	})
	w.pay(v, "pm_card_visa")
	event := ""
	wait.Until(t, "Stripe's event", func() error {
		for _, body := range w.balancer.deliveries() {
			if strings.Contains(body, `"type": "payment_intent.succeeded"`) {
				event = body
			}
		}
		return yet(event != "")
	})
	a, err = p.deliverIn("00-"+paid+"-"+parent+"-01", event)
	w.no(err)
	expect(t, "delivery", a.status, http.StatusOK)

	want := func(traceID, name string) (found *spans.Span) {
		wait.Until(t, name, func() error { found = r.find(traceID, name); return yet(found != nil) })
		return found
	}
	server := want(create, "POST /v1/payments")
	expect(t, "the parent of the request's span", fmt.Sprintf("%x", server.GetParentSpanId()), parent)
	expect(t, "its kind", server.GetKind(), spans.Span_SPAN_KIND_SERVER)
	opened := want(create, "stripe POST /v1/payment_intents")
	expect(
		t, "the parent of the call's span", fmt.Sprintf("%x", opened.GetParentSpanId()),
		fmt.Sprintf("%x", server.GetSpanId()),
	)
	expect(
		t, "the trace at Stripe", stripe.of("POST /v1/payment_intents"),
		fmt.Sprintf("00-%s-%x-01", create, opened.GetSpanId()),
	)
	want(create, "stripe POST /v1/customer_sessions")
	want(create, "redis evalsha")
	want(paid, "POST /webhooks/stripe")
	expect(t, "answer to the poll", (<-poll).status, http.StatusOK)
	waited := want(held, "GET /v1/payments/{payment_intent}")
	if took := waited.GetEndTimeUnixNano() - waited.GetStartTimeUnixNano(); took < uint64(10*time.Millisecond) {
		t.Errorf("the span of the poll has %d ns", took)
	}
	push := want(paid, "push order.paid")
	expect(t, "the trace at the backend", backend.of("POST /hook"), fmt.Sprintf("00-%s-%x-01", paid, push.GetSpanId()))
	if line := regexp.MustCompile(`.*"trace_id":"` + held + `".*`).FindString(p.stderr.String()); !strings.Contains(
		line, `"status":200`,
	) {
		t.Errorf("the log has of the poll's trace: %q", line)
	}
	for _, line := range []string{`"msg":"request"`, `"msg":"transition"`} {
		for text := range strings.Lines(p.stderr.String()) {
			if strings.Contains(text, line) && strings.Contains(text, `"trace_id":"`+create+`"`) {
				line = ""
			}
		}
		expect(t, "a line of the log without its trace", line, "")
	}
	for _, private := range append(
		leaks(r.text(), []string{stripeKey, hookSecret, backendKey, v.ClientSecret}), v.PaymentIntent, customer,
		"traced",
	) {
		if strings.Contains(r.text(), private) {
			t.Errorf("the spans hold %s", private)
		}
	}
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

// A collector that never answers holds up neither the start nor the end.
func TestCollectorThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, stripesim.Options{})
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); hangs.Close() })
	p := w.serve(
		1, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": hangs.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "3600000"},
	)[0]
	w.createPatiently(p, "untraced", w.customer())
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

// deliverIn is deliver within a trace.
func (p *process) deliverIn(trace, body string) (answer, error) {
	header := map[string]string{
		"Stripe-Signature": stripesim.Sign(hookSecret, time.Now(), []byte(body)), "Content-Type": "application/json; charset=utf-8",
		"traceparent": trace,
	}
	return call(p.t.Context(), p.client, http.MethodPost, p.public+"/webhooks/stripe", header, body)
}

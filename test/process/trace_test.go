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

// headers passes requests on, and records their traceparent.
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

// traced is a server that sends its spans to a receiver, between a Stripe and a backend that note what trace comes.
type traced struct {
	*processEnv
	*receiver
	p               *process
	stripe, backend *headers
	view            view
	customer        string
}

// The traces of a create, of a delivery and of a poll that is held, and their parent.
const (
	createTrace = "11111111111111111111111111111111"
	paidTrace   = "22222222222222222222222222222222"
	heldTrace   = "44444444444444444444444444444444"
	traceParent = "3333333333333333"
)

func newTraced(t *testing.T) *traced {
	t.Helper()
	tr := &traced{processEnv: newEnv(t, stripesim.Options{}), receiver: newReceiver(t)}
	simulator, err := url.Parse(tr.processEnv.stripe)
	tr.no(err)
	var stripeURL, backendURL string
	tr.stripe, stripeURL = listen(t, httputil.NewSingleHostReverseProxy(simulator))
	tr.backend, backendURL = listen(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tr.p = tr.start(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": tr.url, "OTEL_BSP_SCHEDULE_DELAY": "50", "STRIPE_API_BASE": stripeURL,
		"EVENT_ALLOW_PRIVATE": "true", "EVENT_ENDPOINTS": backendURL + "/hook=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	})
	tr.p.awaitReady() // the balancer does not know it: Stripe's deliveries come by our hands
	return tr
}

// A trace that a caller begins goes on to Stripe, to Redis and, with the event, to the backend; the log names it;
// and no span holds an id or a secret.
func TestTraces(t *testing.T) {
	t.Parallel()
	tr := newTraced(t)
	tr.creates()
	before, _ := tr.p.metric("kasse_waiters")
	poll := tr.p.heldIn("00-"+heldTrace+"-"+traceParent+"-01", tr.view)
	wait.Until(t, "the held poll", func() error {
		waiters, _ := tr.p.metric("kasse_waiters")
		return yet(waiters > before)
	})
	tr.paysInTrace()
	tr.checkCreate()
	tr.await(paidTrace, "POST /webhooks/stripe")
	expect(t, "answer to the poll", (<-poll).status, http.StatusOK)
	waited := tr.await(heldTrace, "GET /v1/payments/{payment_intent}")
	if took := waited.GetEndTimeUnixNano() - waited.GetStartTimeUnixNano(); took < uint64(10*time.Millisecond) {
		t.Errorf("the span of the poll has %d ns", took)
	}
	push := tr.await(paidTrace, "push order.paid")
	expect(
		t, "the trace at the backend", tr.backend.of("POST /hook"),
		fmt.Sprintf("00-%s-%x-01", paidTrace, push.GetSpanId()),
	)
	tr.checkLog()
	tr.checkPrivacy()
	tr.p.terminate()
	expect(t, "exit code", tr.p.exitCode(), 0)
}

// creates opens a payment within createTrace.
func (tr *traced) creates() {
	tr.t.Helper()
	tr.customer = tr.processEnv.customer()
	header := map[string]string{
		"Authorization": "Bearer " + backendKey, "Content-Type": "application/json",
		"traceparent": "00-" + createTrace + "-" + traceParent + "-01",
	}
	body := orderBody("traced", tr.customer)
	a, err := call(tr.t.Context(), tr.client, http.MethodPost, tr.p.public+"/v1/payments", header, body)
	tr.no(err)
	expect(tr.t, "create", a.status, http.StatusCreated)
	tr.view = a.view(tr.t)
}

// paysInTrace pays, and delivers Stripe's event within paidTrace.
func (tr *traced) paysInTrace() {
	tr.t.Helper()
	tr.pay(tr.view, "pm_card_visa")
	event := ""
	wait.Until(tr.t, "Stripe's event", func() error {
		event = tr.delivered("payment_intent.succeeded")
		return yet(event != "")
	})
	a, err := tr.p.deliverIn("00-"+paidTrace+"-"+traceParent+"-01", event)
	tr.no(err)
	expect(tr.t, "delivery", a.status, http.StatusOK)
}

// await returns the span of that name in the trace.
func (tr *traced) await(traceID, name string) (found *spans.Span) {
	tr.t.Helper()
	wait.Until(tr.t, name, func() error { found = tr.find(traceID, name); return yet(found != nil) })
	return found
}

// checkCreate looks at the spans of the create.
func (tr *traced) checkCreate() {
	tr.t.Helper()
	server := tr.await(createTrace, "POST /v1/payments")
	expect(tr.t, "the parent of the request's span", fmt.Sprintf("%x", server.GetParentSpanId()), traceParent)
	expect(tr.t, "its kind", server.GetKind(), spans.Span_SPAN_KIND_SERVER)
	opened := tr.await(createTrace, "stripe POST /v1/payment_intents")
	expect(
		tr.t, "the parent of the call's span", fmt.Sprintf("%x", opened.GetParentSpanId()),
		fmt.Sprintf("%x", server.GetSpanId()),
	)
	expect(
		tr.t, "the trace at Stripe", tr.stripe.of("POST /v1/payment_intents"),
		fmt.Sprintf("00-%s-%x-01", createTrace, opened.GetSpanId()),
	)
	tr.await(createTrace, "stripe POST /v1/customer_sessions")
	tr.await(createTrace, "redis evalsha")
}

// checkLog looks for the traces in the log.
func (tr *traced) checkLog() {
	tr.t.Helper()
	log := tr.p.stderr.String()
	line := regexp.MustCompile(`.*"trace_id":"` + heldTrace + `".*`).FindString(log)
	if !strings.Contains(line, `"status":200`) {
		tr.t.Errorf("the log has of the poll's trace: %q", line)
	}
	for _, message := range []string{`"msg":"request"`, `"msg":"transition"`} {
		found := false
		for text := range strings.Lines(log) {
			found = found || strings.Contains(text, message) && strings.Contains(text, `"trace_id":"`+createTrace+`"`)
		}
		if !found {
			tr.t.Errorf("no line of the log with %s has its trace", message)
		}
	}
}

// checkPrivacy looks for ids and secrets in the spans.
func (tr *traced) checkPrivacy() {
	tr.t.Helper()
	secrets := leaks(tr.text(), []string{stripeKey, hookSecret, backendKey, tr.view.ClientSecret})
	for _, private := range append(secrets, tr.view.PaymentIntent, tr.customer, "traced") {
		if strings.Contains(tr.text(), private) {
			tr.t.Errorf("the spans hold %s", private)
		}
	}
}

// A collector that never answers holds up neither the start nor the end.
func TestCollectorThatHangs(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
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

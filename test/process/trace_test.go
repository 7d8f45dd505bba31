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

// spanCollector receives spans over OTLP, as a collector does.
type spanCollector struct {
	url string

	mu    sync.Mutex
	spans []*spans.Span
	all   strings.Builder // text of all batches
}

func newSpanCollector(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// ServeHTTP receives one batch.
func (c *spanCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var batch collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.all, batch.String())
	for _, resource := range batch.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

// find returns the span of the name in the trace; nil if there is none.
func (c *spanCollector) find(traceID, name string) *spans.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if fmt.Sprintf("%x", span.GetTraceId()) == traceID && span.GetName() == name {
			return span
		}
	}
	return nil
}

// text returns all spans so far as text.
func (c *spanCollector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}

// traceRecorder forwards requests, and records their traceparent.
type traceRecorder struct {
	next http.Handler

	mu           sync.Mutex
	traceparents map[string]string // by method and path
}

// newTraceRecorder starts a server with a traceRecorder, and returns its URL.
func newTraceRecorder(t *testing.T, next http.Handler) (*traceRecorder, string) {
	t.Helper()
	h := &traceRecorder{traceparents: map[string]string{}, next: next}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, server.URL
}

// ServeHTTP forwards one request.
func (h *traceRecorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.traceparents[r.Method+" "+r.URL.Path] = r.Header.Get("traceparent")
	h.mu.Unlock()
	h.next.ServeHTTP(w, r)
}

// traceparent returns the traceparent of the last request with this method and path.
func (h *traceRecorder) traceparent(request string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.traceparents[request]
}

// traceTest is a server that sends its spans to a collector. Its Stripe and its backend record the
// traceparent of each request.
type traceTest struct {
	*processEnv
	*spanCollector
	p               *process
	stripe, backend *traceRecorder
	view            view
	customer        string
}

// Ids of the traces of a create, of a delivery and of a held poll, and of their parent span.
const (
	createTrace = "11111111111111111111111111111111"
	paidTrace   = "22222222222222222222222222222222"
	heldTrace   = "44444444444444444444444444444444"
	traceParent = "3333333333333333"
)

func newTraceTest(t *testing.T) *traceTest {
	t.Helper()
	tr := &traceTest{processEnv: newEnv(t, stripesim.Options{}), spanCollector: newSpanCollector(t)}
	simulator, err := url.Parse(tr.processEnv.stripe)
	tr.noError(err)
	var stripeURL, backendURL string
	tr.stripe, stripeURL = newTraceRecorder(t, httputil.NewSingleHostReverseProxy(simulator))
	tr.backend, backendURL = newTraceRecorder(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tr.p = tr.start(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": tr.url, "OTEL_BSP_SCHEDULE_DELAY": "50", "STRIPE_API_BASE": stripeURL,
		"EVENT_ALLOW_PRIVATE": "true", "EVENT_ENDPOINTS": backendURL + "/hook=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	})
	tr.p.awaitReady() // the server is not in the balancer: the test delivers Stripe's events
	return tr
}

// TestTraces: a caller's trace continues to Stripe, to Redis and, with the event, to the backend.
// The log contains its id. No span contains a secret or an id of a payment, a customer or an order.
func TestTraces(t *testing.T) {
	t.Parallel()
	tr := newTraceTest(t)
	tr.createInTrace()
	before, _ := tr.p.metric("kasse_waiters")
	poll := tr.p.pollInTrace("00-"+heldTrace+"-"+traceParent+"-01", tr.view)
	wait.UntilTrue(t, "the held poll", func() bool {
		waiters, _ := tr.p.metric("kasse_waiters")
		return waiters > before
	})
	held := time.Now()
	delivered := tr.payInTrace()
	tr.checkCreate()
	tr.await(paidTrace, "POST /webhooks/stripe")
	expect(t, "status of the poll", (<-poll).status, http.StatusOK)
	span := tr.await(heldTrace, "GET /v1/payments/{payment_intent}")
	from, to := time.Unix(0, int64(span.GetStartTimeUnixNano())), time.Unix(0, int64(span.GetEndTimeUnixNano()))
	if from.After(held) || to.Before(delivered) {
		t.Errorf("the span of the held poll is from %s to %s, want the time from %s to %s", from, to, held, delivered)
	}
	push := tr.await(paidTrace, "push order.paid")
	want := fmt.Sprintf("00-%s-%x-01", paidTrace, push.GetSpanId())
	expect(t, "traceparent at the backend", tr.backend.traceparent("POST /hook"), want)
	tr.checkLog()
	tr.checkPrivacy()
	tr.p.terminate()
	expect(t, "exit code", tr.p.exitCode(), 0)
}

// createInTrace opens a payment within createTrace.
func (tr *traceTest) createInTrace() {
	tr.t.Helper()
	tr.customer = tr.processEnv.customer()
	header := map[string]string{
		"Authorization": "Bearer " + backendKey, "Content-Type": "application/json",
		"traceparent": "00-" + createTrace + "-" + traceParent + "-01",
	}
	body := orderBody("traced", tr.customer)
	a, err := call(tr.t.Context(), tr.client, http.MethodPost, tr.p.public+"/v1/payments", header, body)
	tr.noError(err)
	expect(tr.t, "status of the create", a.status, http.StatusCreated)
	tr.view = a.view(tr.t)
}

// payInTrace pays, and delivers Stripe's event within paidTrace. It returns the time before the
// delivery.
func (tr *traceTest) payInTrace() (delivered time.Time) {
	tr.t.Helper()
	tr.pay(tr.view, "pm_card_visa")
	event := ""
	wait.UntilTrue(tr.t, "Stripe's event", func() bool {
		event = tr.delivered("payment_intent.succeeded")
		return event != ""
	})
	delivered = time.Now()
	a, err := tr.p.deliverInTrace("00-"+paidTrace+"-"+traceParent+"-01", event)
	tr.noError(err)
	expect(tr.t, "status of the delivery", a.status, http.StatusOK)
	return delivered
}

// await waits for the span of the name in the trace.
func (tr *traceTest) await(traceID, name string) (found *spans.Span) {
	tr.t.Helper()
	wait.UntilTrue(tr.t, "the span "+name+" of the trace "+traceID, func() bool {
		found = tr.find(traceID, name)
		return found != nil
	})
	return found
}

// checkCreate checks the spans of the create.
func (tr *traceTest) checkCreate() {
	tr.t.Helper()
	server := tr.await(createTrace, "POST /v1/payments")
	expect(tr.t, "parent of the request's span", fmt.Sprintf("%x", server.GetParentSpanId()), traceParent)
	expect(tr.t, "kind of the request's span", server.GetKind(), spans.Span_SPAN_KIND_SERVER)
	toStripe := tr.await(createTrace, "stripe POST /v1/payment_intents")
	parent, want := fmt.Sprintf("%x", toStripe.GetParentSpanId()), fmt.Sprintf("%x", server.GetSpanId())
	expect(tr.t, "parent of the span of the call to Stripe", parent, want)
	want = fmt.Sprintf("00-%s-%x-01", createTrace, toStripe.GetSpanId())
	expect(tr.t, "traceparent at Stripe", tr.stripe.traceparent("POST /v1/payment_intents"), want)
	tr.await(createTrace, "stripe POST /v1/customer_sessions")
	tr.await(createTrace, "redis evalsha")
}

// checkLog checks that the log lines of the requests contain the ids of their traces.
func (tr *traceTest) checkLog() {
	tr.t.Helper()
	log := tr.p.stderr.String()
	line := regexp.MustCompile(`.*"trace_id":"` + heldTrace + `".*`).FindString(log)
	if !strings.Contains(line, `"status":200`) {
		tr.t.Errorf("the log line with the poll's trace is %q, want one with the status 200", line)
	}
	for _, message := range []string{`"msg":"request"`, `"msg":"transition"`} {
		found := false
		for text := range strings.Lines(log) {
			found = found || strings.Contains(text, message) && strings.Contains(text, `"trace_id":"`+createTrace+`"`)
		}
		if !found {
			tr.t.Errorf("no log line with %s has the trace %s", message, createTrace)
		}
	}
}

// checkPrivacy checks that the spans contain no secret, and no id of the payment, the customer or
// the order.
func (tr *traceTest) checkPrivacy() {
	tr.t.Helper()
	text := tr.text()
	for _, leak := range leaks(text, []string{stripeKey, hookSecret, backendKey, tr.view.ClientSecret}) {
		tr.t.Errorf("the spans contain a secret: %s", leak)
	}
	for _, id := range []string{tr.view.PaymentIntent, tr.customer, tr.view.OrderID} {
		if strings.Contains(text, id) {
			tr.t.Errorf("the spans contain the id %s", id)
		}
	}
}

// TestCollectorThatHangs: a collector that never answers delays neither the start nor the end of
// the server.
func TestCollectorThatHangs(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); hanging.Close() })
	p := w.serve(1, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": hanging.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "3600000", // an hour
	})[0]
	w.createWithRetries(p, "untraced", w.customer())
	p.terminate()
	expect(t, "exit code", p.exitCode(), 0)
}

// deliverInTrace is deliver with a traceparent.
func (p *process) deliverInTrace(traceparent, body string) (answer, error) {
	header := map[string]string{
		"Stripe-Signature": stripesim.Sign(hookSecret, time.Now(), []byte(body)),
		"Content-Type":     "application/json; charset=utf-8", "traceparent": traceparent,
	}
	return call(p.t.Context(), p.client, http.MethodPost, p.public+"/webhooks/stripe", header, body)
}

// Package traces makes OpenTelemetry's spans of requests, calls of Stripe, commands of Redis and pushes, and sends them
// over OTLP. Package app knows it as an interface: kasse-dev sends no traces, and does not compile OpenTelemetry.
package traces

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"kasse/api"
	"kasse/cmd/internal/app/otlp"
	"kasse/service/payment"
	"kasse/service/push"
	"kasse/service/stripe"
)

// flushBound limits the export of the last spans when the process stops.
const flushBound = 2 * time.Second

// Traces makes spans. Spans are named by route patterns. They contain no paths, commands or error texts, which may
// contain ids and secrets. OpenTelemetry's instrumentations for net/http and go-redis record those, so they are not
// used.
type Traces struct {
	provider   *sdktrace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TraceContext
}

// New opens no connection. The exporter, the sampler and the resource read OpenTelemetry's own variables. The service
// is SERVICE_NAME.
func New(service string, log *slog.Logger) (*Traces, error) {
	ctx := context.Background()
	exporter, err := otlp.New(ctx, log)
	if err != nil {
		return nil, err
	}
	what, err := resource.New(
		ctx, resource.WithAttributes(attribute.String("service.name", service)), resource.WithFromEnv(),
		resource.WithTelemetrySDK(),
	)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces could not be sent", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(what))
	return &Traces{provider: provider, tracer: provider.Tracer("kasse")}, nil
}

// ID returns the id of the trace that the context belongs to; empty if there is none.
func ID(ctx context.Context) string {
	span := trace.SpanContextFromContext(ctx)
	if !span.HasTraceID() {
		return ""
	}
	return span.TraceID().String()
}

// Close exports the remaining spans, for two seconds at most.
func (t *Traces) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), flushBound)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		otel.Handle(err)
	}
}

// Requests makes a span of every request, in its caller's trace.
func (t *Traces) Requests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
		held := &heldSpan{Span: span}
		defer held.endUnlessParked()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, heldSpanKey{}, held)))
	})
}

// heldSpan is the span of a request. It ends with the handler, or with the response of a parked request.
type heldSpan struct {
	trace.Span
	parked bool
}

type heldSpanKey struct{}

func (h *heldSpan) endUnlessParked() {
	if !h.parked {
		h.End()
	}
}

// Outliving keeps the span of a request that is parked.
func (t *Traces) Outliving(ctx context.Context) context.Context {
	return trace.ContextWithSpan(context.Background(), trace.SpanFromContext(ctx))
}

// Parker returns a parker that ends the spans of the requests that next parks.
func (t *Traces) Parker(next api.Parker) api.Parker { return tracedParker{next} }

// Pushes makes a span of every push, in the trace that changed the payment.
func (t *Traces) Pushes(next push.Destination) push.Destination { return tracedEndpoint{next, t} }

// tracedParker ends the spans of parked requests.
type tracedParker struct{ api.Parker }

// Park parks the request and takes its span from the handler.
func (p tracedParker) Park(
	w http.ResponseWriter, r *http.Request, gone func(),
) (answer func(status int, header http.Header, body []byte), ok bool) {
	write, ok := p.Parker.Park(w, r, gone)
	span, traced := r.Context().Value(heldSpanKey{}).(*heldSpan)
	if !ok || !traced {
		return write, ok
	}
	span.parked = true
	return func(status int, header http.Header, body []byte) {
		write(status, header, body)
		span.End()
	}, true
}

// RequestHandled names the request's span by its route, which is known at its end.
func (*Traces) RequestHandled(ctx context.Context, method, route string, status int) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetName(method + " " + route)
	span.SetAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status),
	)
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

// CommandRun makes a span of a finished command or pipeline, if the request is traced. Background work is not
// traced.
func (*Traces) CommandRun(
	ctx context.Context, command string, began time.Time, took time.Duration, failed bool,
) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer("kasse").Start(ctx, "redis "+command, trace.WithSpanKind(
		trace.SpanKindClient,
	), trace.WithTimestamp(began),
		trace.WithAttributes(
			attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", command),
		))
	if failed {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(began.Add(took)))
}

// Calls makes a span of every try of a call to Stripe, and sends Stripe the trace's id.
func (t *Traces) Calls(next http.RoundTripper) http.RoundTripper { return &tracedCalls{t, next} }

type tracedCalls struct {
	*Traces
	next http.RoundTripper
}

// RoundTrip makes one try.
func (c *tracedCalls) RoundTrip(r *http.Request) (*http.Response, error) {
	operation := stripe.Operation(r)
	ctx, span := c.tracer.Start(r.Context(), "stripe "+operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname()),
		))
	defer span.End()
	r = r.Clone(ctx)
	c.propagator.Inject(ctx, propagation.HeaderCarrier(r.Header))
	response, err := c.next.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	return response, nil
}

const traceparent = "traceparent"

// Parent returns the traceparent of the caller; empty if there is none.
func (t *Traces) Parent(ctx context.Context) string {
	header := propagation.MapCarrier{}
	t.propagator.Inject(ctx, header)
	return header[traceparent]
}

// tracedEndpoint makes a span of every push, in the trace that changed the payment.
type tracedEndpoint struct {
	push.Destination
	*Traces
}

// Push sends the event once, within its own span.
func (e tracedEndpoint) Push(ctx context.Context, event payment.FeedEvent) (status int, err error) {
	ctx = e.propagator.Extract(ctx, propagation.MapCarrier{traceparent: event.Trace})
	ctx, span := e.tracer.Start(
		ctx, "push "+event.Type, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("server.address", e.Name())),
	)
	defer span.End()
	event.Trace = e.Parent(ctx)
	status, err = e.Destination.Push(ctx, event)
	if err != nil {
		span.SetStatus(codes.Error, err.Error()) // our own text, without the URL
	}
	return status, err
}

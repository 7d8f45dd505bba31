package app

import (
	"context"
	"net/http"
	"time"

	"kasse/api"
	"kasse/service/push"
)

// Tracing makes spans: traces.Traces in production. Its methods may be called from several goroutines.
type Tracing interface {
	// Requests makes a span of every request, in its caller's trace.
	Requests(next http.Handler) http.Handler
	// RequestHandled names the request's span by its route, which is known at its end.
	RequestHandled(ctx context.Context, method, route string, status int)
	// Parker returns a parker that ends the spans of the requests that next parks.
	Parker(next api.Parker) api.Parker
	// Outliving returns a context that outlives the request, with its span only.
	Outliving(ctx context.Context) context.Context
	// CommandRun makes a span of a finished command or pipeline, if the request is traced.
	CommandRun(ctx context.Context, command string, began time.Time, took time.Duration, failed bool)
	// Calls makes a span of every try of a call to Stripe, and sends Stripe the trace's id.
	Calls(next http.RoundTripper) http.RoundTripper
	// Pushes makes a span of every push, in the trace that changed the payment.
	Pushes(next push.Destination) push.Destination
	// Parent returns the traceparent of the caller; empty if there is none.
	Parent(ctx context.Context) string
	// Close exports the remaining spans, for two seconds at most.
	Close()
}

// Without tracing, the following methods pass everything on unchanged.

func (a *App) traceRequests(next http.Handler) http.Handler {
	if a.tracing == nil {
		return next
	}
	return a.tracing.Requests(next)
}

func (a *App) traceCalls(next http.RoundTripper) http.RoundTripper {
	if a.tracing == nil {
		return next
	}
	return a.tracing.Calls(next)
}

func (a *App) tracePushes(next push.Destination) push.Destination {
	if a.tracing == nil {
		return next
	}
	return a.tracing.Pushes(next)
}

func (a *App) traceParent(ctx context.Context) string {
	if a.tracing == nil {
		return ""
	}
	return a.tracing.Parent(ctx)
}

#!/bin/sh
# Shutdown of OpenTelemetry's Go SDK returns nil although the last spans were lost
#
# Guess (23): the collector answers 503 with Retry-After: 60. Shutdown with a deadline of 1 s
#             returns after about 1 s, with an error.
# Behaviour:  the wait would be longer than the time for which the exporter may retry (a minute), so
#             the exporter gives up at once, after one request. The batch processor reports the
#             error only to the global error handler. Shutdown returns nil.
# Versions:   go.opentelemetry.io/otel/sdk v1.47.0, …/exporters/otlp/otlptrace/otlptracehttp
#             v1.47.0.
# Matters:    a program that logs the error of Shutdown logs nothing. The spans of its last seconds
#             are lost, which are those that explain a crash. Set otel.SetErrorHandler.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	var requests, reported atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer collector.Close()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { reported.Add(1) }))

	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(collector.URL))
	if err != nil {
		panic(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	_, span := provider.Tracer("finding").Start(context.Background(), "last")
	span.End()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err = provider.Shutdown(ctx)
	fmt.Printf("Shutdown: %v, before its deadline: %t\n", err, ctx.Err() == nil)
	fmt.Printf("requests: %d, errors reported to the handler: %d\n", requests.Load(), reported.Load())
}
END
go_modules go.opentelemetry.io/otel@v1.47.0 go.opentelemetry.io/otel/sdk@v1.47.0 \
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp@v1.47.0
./finding >seen
compare <<'END'
Shutdown: <nil>, before its deadline: true
requests: 1, errors reported to the handler: 1
END

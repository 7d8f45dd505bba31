// Package otlp sends spans to a collector of OpenTelemetry, over OTLP/HTTP. Package app defines the content of a span.
//
// OpenTelemetry's own exporter for HTTP, otlptracehttp, shares its configuration with the one for gRPC. A program that
// uses it links all of gRPC: 10 MB, of which nothing runs. This package keeps OpenTelemetry's conversion of spans
// (otlptrace), and replaces the client below it. It reads the same variables. TestLikeTheReference compares both.
//
// Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp and
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
package otlp

import (
	"context"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/trace"
)

// New returns an exporter that reads OpenTelemetry's own variables. It opens no connection. A value that cannot be
// read counts as not set, as OpenTelemetry's specification requires, and is a warning in the log, without the
// value.
func New(ctx context.Context, log *slog.Logger) (trace.SpanExporter, error) {
	s, err := readSettings(os.Getenv, func(variable, problem string) {
		log.WarnContext(ctx, "traces: a variable is ignored", "variable", variable, "problem", problem)
	})
	if err != nil {
		return nil, err
	}
	return otlptrace.New(ctx, newClient(s))
}

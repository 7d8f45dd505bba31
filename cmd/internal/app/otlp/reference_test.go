package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestLikeTheReference sends the same spans by our exporter and by OpenTelemetry's own, under the same variables. A
// collector gets the same requests.
func TestLikeTheReference(t *testing.T) {
	tests := map[string]map[string]string{
		"no more than an endpoint": {"ENDPOINT": "URL"},
		"a path":                   {"ENDPOINT": "URL/base/"},
		"traces elsewhere":         {"ENDPOINT": "http://127.0.0.1:1", "TRACES_ENDPOINT": "URL"},
		"traces at a path":         {"ENDPOINT": "http://127.0.0.1:1", "TRACES_ENDPOINT": "URL/as/it/is"},
		"headers": {
			"ENDPOINT": "URL", "HEADERS": "api-key=a%20b%3D, x-Tenant = 7,broken,=x,User-Agent=me",
		},
		"headers of traces":        {"ENDPOINT": "URL", "HEADERS": "a=1,b=2", "TRACES_HEADERS": "a=3"},
		"gzip":                     {"ENDPOINT": "URL", "COMPRESSION": "gzip"},
		"gzip, but not for traces": {"ENDPOINT": "URL", "COMPRESSION": "gzip", "TRACES_COMPRESSION": "none"},
		"JSON":                     {"ENDPOINT": "URL", "PROTOCOL": "http/json"},
		"JSON in gzip":             {"ENDPOINT": "URL", "TRACES_PROTOCOL": "http/json", "TRACES_COMPRESSION": "gzip"},
		"gRPC is not spoken":       {"ENDPOINT": "URL", "PROTOCOL": "grpc"},
		"insecure by a variable":   {"ENDPOINT": "https://HOST", "TRACES_INSECURE": "True"},
		"spaces":                   {"ENDPOINT": "  URL  ", "TIMEOUT": " 2000 "},
		"a certificate":            {"ENDPOINT": "TLS", "CERTIFICATE": "FILE"},
		"a certificate for traces": {"ENDPOINT": "TLS", "CERTIFICATE": "none", "TRACES_CERTIFICATE": "FILE"},
		"a certificate, no TLS":    {"ENDPOINT": "URL", "CERTIFICATE": "FILE"},
		"a certificate missing":    {"ENDPOINT": "TLS", "TIMEOUT": "100"},
	}
	for name, variables := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t)
			c.setenv(t, variables)
			want, wantErr := c.export(t, func(ctx context.Context) (sdk.SpanExporter, error) {
				return otlptracehttp.New(ctx)
			})
			got, gotErr := c.export(t, func(ctx context.Context) (sdk.SpanExporter, error) {
				return New(ctx, slog.New(slog.DiscardHandler))
			})
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("the error is %v, that of the reference %v", gotErr, wantErr)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("other requests than the reference's (-):\n%s", diff)
			}
			if wantErr == nil && len(want) != 1 {
				t.Errorf("the reference sent %d requests", len(want))
			}
		})
	}
}

// request is what a collector sees of one.
type request struct {
	Method, Path, Query string
	Header              http.Header
	Body                any // of JSON its value; of protobuf the text of the message
}

// fakeCollector takes requests, with and without TLS.
type fakeCollector struct {
	plain, tls *httptest.Server
	seen       chan request
}

func newCollector(t *testing.T) *fakeCollector {
	t.Helper()
	c := &fakeCollector{seen: make(chan request, 8)}
	c.plain, c.tls = httptest.NewServer(c), httptest.NewUnstartedServer(c)
	c.tls.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c.tls.StartTLS()
	t.Cleanup(func() { c.plain.Close(); c.tls.Close() })
	return c
}

// setenv sets OTEL_EXPORTER_OTLP_… with the collector's addresses and certificate put in.
func (c *fakeCollector) setenv(t *testing.T, variables map[string]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "collector.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.tls.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer(
		"URL", c.plain.URL, "HOST", strings.TrimPrefix(c.plain.URL, "http://"), "TLS", c.tls.URL, "FILE", file,
	)
	for name, value := range variables {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, values.Replace(value))
	}
}

// ServeHTTP takes a batch and keeps it.
func (c *fakeCollector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	seen := request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header}
	body, err := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var unzipped *gzip.Reader
		if unzipped, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(unzipped)
		}
	}
	seen.Body = err
	if r.Header.Get("Content-Type") == contentJSON {
		if err := json.Unmarshal(body, &seen.Body); err != nil {
			seen.Body = err
		}
	} else {
		var batch collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &batch); err != nil {
			seen.Body = err
		} else {
			text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(&batch)
			seen.Body = []any{batch.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName(), text}
		}
	}
	r.Header.Del("Content-Length") // a body in gzip has none with the reference, and is sent in chunks
	c.seen <- seen
}

// export sends two spans, and returns what the collector saw.
func (c *fakeCollector) export(
	t *testing.T, exporter func(context.Context) (sdk.SpanExporter, error),
) (seen []request, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // ends the reference's tries
	defer cancel()
	e, err := exporter(ctx)
	if err != nil {
		return nil, err
	}
	err = e.ExportSpans(ctx, twoSpans().Snapshots())
	if stopped := e.Shutdown(t.Context()); stopped != nil {
		t.Error(stopped)
	}
	for {
		select {
		case r := <-c.seen:
			seen = append(seen, r)
		default:
			return seen, err
		}
	}
}

// twoSpans have all that a span can have.
func twoSpans() tracetest.SpanStubs {
	context := func(span byte) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 0xfe, 3}, SpanID: trace.SpanID{span, 0xab}, TraceFlags: trace.FlagsSampled,
		})
	}
	at := time.Unix(1_790_000_000, 123_456_789)
	return tracetest.SpanStubs{
		{
			Name: "POST /v1/payments", SpanContext: context(1), Parent: context(2).WithRemote(true),
			SpanKind: trace.SpanKindServer, StartTime: at, EndTime: at.Add(time.Second),
			Attributes: []attribute.KeyValue{
				attribute.Int64("number", 1<<60), attribute.Bool("true", true), attribute.Float64("part", .5),
				attribute.StringSlice("list", []string{"a", "b"}),
			},
			Events: []sdk.Event{
				{Name: "event", Time: at, Attributes: []attribute.KeyValue{attribute.String("a", "b")}},
			},
			Links:    []sdk.Link{{SpanContext: context(9)}},
			Status:   sdk.Status{Code: codes.Error, Description: "refused"},
			Resource: resource.NewSchemaless(attribute.String("service.name", "kasse")),
		},
		{
			Name: "redis evalsha", SpanContext: context(3), Parent: context(1), SpanKind: trace.SpanKindClient,
			StartTime: at, EndTime: at.Add(time.Millisecond),
			Resource: resource.NewSchemaless(attribute.String("service.name", "kasse")),
		},
	}
}

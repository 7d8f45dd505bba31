package otlp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var oneSpan = []*spans.ResourceSpans{{
	ScopeSpans: []*spans.ScopeSpans{{Spans: []*spans.Span{{Name: "x"}}}},
}}

// testClient sends to the handler, and waits for nothing: it keeps the waits.
func testClient(t *testing.T, handler http.HandlerFunc) (*client, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s, err := readSettings(func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL}[name]
	}, func(variable, problem string) { t.Errorf("%s: %s", variable, problem) })
	if err != nil {
		t.Fatal(err)
	}
	c, waits := newClient(s), &[]time.Duration{}
	c.wait = func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return ctx.Err()
	}
	return c, waits
}

// TestRetries repeats a batch after the answers that OTLP names, not before the time that the collector asks for.
func TestRetries(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(50 * time.Second).UTC().Format(http.TimeFormat)
	tests := []struct {
		status     int
		retryAfter string
		tries      int
		least      time.Duration // of the first wait
	}{
		{http.StatusOK, "", 1, 0},
		{http.StatusTooManyRequests, "", 2, firstWait / 2},
		{http.StatusBadGateway, "", 2, firstWait / 2},
		{http.StatusServiceUnavailable, "20", 2, 20 * time.Second},
		{http.StatusGatewayTimeout, soon, 2, 40 * time.Second},
		{http.StatusServiceUnavailable, "61", 1, 0}, // longer than a batch is kept
		{http.StatusServiceUnavailable, "-1", 2, firstWait / 2},
		{http.StatusServiceUnavailable, "soon", 2, firstWait / 2},
		{http.StatusBadRequest, "1", 1, 0},
		{http.StatusInternalServerError, "1", 1, 0},
		{http.StatusUnauthorized, "", 1, 0},
	}
	for _, test := range tests {
		tries := 0
		c, waits := testClient(t, func(w http.ResponseWriter, _ *http.Request) {
			if tries++; tries == 1 {
				w.Header().Set("Retry-After", test.retryAfter)
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte("reason\n"))
			}
		})
		err := c.UploadTraces(t.Context(), oneSpan)
		delivered := test.status == http.StatusOK || test.tries > 1
		if tries != test.tries || (err == nil) != delivered {
			t.Errorf("%d with Retry-After %q: %d tries, error %v", test.status, test.retryAfter, tries, err)
		}
		if !delivered && !strings.Contains(err.Error(), `"reason"`) {
			t.Errorf("%d: the error %q has not what the collector says", test.status, err)
		}
		if test.tries > 1 && (*waits)[0] < test.least {
			t.Errorf("%d with Retry-After %q: waited %s", test.status, test.retryAfter, (*waits)[0])
		}
	}
}

// TestCollectorIsUnreachable is tried again, with longer waits, until the time of the batch is over.
func TestCollectorIsUnreachable(t *testing.T) {
	t.Parallel()
	c, waits := testClient(t, func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // ends the connection
	})
	keep := c.wait
	c.wait = func(ctx context.Context, d time.Duration) error {
		if len(*waits) == 7 {
			return errors.New("the time is over")
		}
		return keep(ctx, d)
	}
	if err := c.UploadTraces(t.Context(), oneSpan); err == nil || !strings.Contains(err.Error(), "the time is over") {
		t.Errorf("the error is %v", err)
	}
	if len(*waits) != 7 || slices.Max(*waits) > 3*longestWait/2 || (*waits)[6] < longestWait/2 {
		t.Errorf("the waits are %s", *waits)
	}
}

// TestStopInterrupts ends a batch that the collector does not answer.
func TestStopInterrupts(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	c, _ := testClient(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		close(arrived)
		<-r.Context().Done()
	})
	exporter, err := otlptrace.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.UploadTraces(context.WithoutCancel(t.Context()), oneSpan) }()
	<-arrived
	if err := exporter.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// TestPartialSuccess reports spans that a collector refused, as the collector's own type writes that.
func TestPartialSuccess(t *testing.T) {
	t.Parallel()
	refused := &collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{
		RejectedSpans: 7, ErrorMessage: "too old",
	}}
	binary, _ := proto.Marshal(refused)
	text, _ := protojson.Marshal(refused)
	tests := []struct {
		contentType string
		body        []byte
		reported    bool
	}{
		{contentProtobuf, binary, true},
		{contentJSON + "; charset=utf-8", text, true},
		{contentJSON, []byte(`{"partialSuccess":{"rejectedSpans":7,"errorMessage":"too old"}}`), true},
		{contentProtobuf, nil, false},
		{contentJSON, []byte(`{"partialSuccess":{}}`), false},
		{contentProtobuf, binary[:len(binary)-3], false}, // cut off: nothing follows from it
		{"text/plain", text, false},
	}
	for _, test := range tests {
		c, _ := testClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.contentType)
			_, _ = w.Write(test.body)
		})
		err := c.UploadTraces(t.Context(), oneSpan)
		if (err != nil) != test.reported {
			t.Errorf("%s %q: the error is %v", test.contentType, test.body, err)
		}
		if test.reported && err.Error() != `the collector refused 7 spans: "too old"` {
			t.Errorf("%s: the error is %q", test.contentType, err)
		}
	}
}

// TestIgnoredVariables are reported by name, without their values, and count as not set.
func TestIgnoredVariables(t *testing.T) {
	t.Parallel()
	wrong := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":                  "https://good:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":           "collector:4318",
		"OTEL_EXPORTER_OTLP_HEADERS":                   "secret-without-name",
		"OTEL_EXPORTER_OTLP_PROTOCOL":                  "secret",
		"OTEL_EXPORTER_OTLP_TIMEOUT":                   "10s",
		"OTEL_EXPORTER_OTLP_CERTIFICATE":               "/secret",
		"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": "/secret",
	}
	reported := map[string]bool{}
	s, err := readSettings(func(name string) string { return wrong[name] }, func(variable, problem string) {
		reported[variable] = true
		if strings.Contains(problem, "secret") {
			t.Errorf("%s: %s", variable, problem)
		}
	})
	if err != nil || s.url.String() != "https://good:4318/v1/traces" || s.timeout != defaultTimeout || s.tls != nil {
		t.Errorf("read %s, timeout %s, TLS %v, error %v", s.url.String(), s.timeout, s.tls, err)
	}
	if len(reported) != len(wrong)-1 {
		t.Errorf("reported are %v", reported)
	}
}

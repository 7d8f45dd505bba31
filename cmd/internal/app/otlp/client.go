package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Waits between the tries of a batch, as OpenTelemetry's own exporters have them.
const (
	firstWait   = 5 * time.Second
	longestWait = 30 * time.Second
	longestTry  = time.Minute // all tries of a batch; OTEL_BSP_EXPORT_TIMEOUT (30 s) ends them too
)

// answerBytes is how much of an answer is read. A refusal's first bytes go into the log.
const (
	answerBytes  = 64 << 10
	refusalBytes = 512
)

// client sends batches of spans to one collector. It implements otlptrace.Client.
type client struct {
	settings
	http    *http.Client
	wait    func(context.Context, time.Duration) error // a test replaces it
	stopped chan struct{}
}

func newClient(s settings) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if s.tls != nil {
		transport.TLSClientConfig = s.tls
	}
	return &client{
		settings: s, http: &http.Client{Transport: transport, Timeout: s.timeout}, wait: sleep,
		stopped: make(chan struct{}),
	}
}

// Start does nothing: connections are opened with the first batch.
func (*client) Start(context.Context) error { return nil }

// Stop interrupts the batches that are being sent. The exporter calls it once.
func (c *client) Stop(context.Context) error {
	close(c.stopped)
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends one batch, and repeats it if the collector is away or asks for it.
func (c *client) UploadTraces(ctx context.Context, batch []*spans.ResourceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	body, err := c.encode(batch)
	if err != nil {
		return err
	}
	began, wait := time.Now(), firstWait
	for {
		err := c.send(ctx, body)
		var again *retryError
		if !errors.As(err, &again) || ctx.Err() != nil {
			return err
		}
		if time.Since(began)+again.after > longestTry {
			return fmt.Errorf("given up: %w", err)
		}
		if late := c.wait(ctx, max(again.after, spread(wait))); late != nil {
			return fmt.Errorf("%w: %w", late, err)
		}
		wait = min(wait*3/2, longestWait)
	}
}

// spread returns between half and one and a half of the wait, so that many processes do not come back together.
func spread(wait time.Duration) time.Duration {
	return wait/2 + rand.N(wait) //nolint:gosec // no secret
}

// sleep returns after the time, or with the reason why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryError is a failure after which the same batch may be sent again.
type retryError struct {
	after time.Duration // what the collector asked for; 0: nothing
	err   error
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// send makes one request. Failures to reach the collector, and the statuses that the specification names, are
// retryErrors. Source: https://opentelemetry.io/docs/specs/otlp/#failures-1
func (c *client) send(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	c.describe(request.Header)
	response, err := c.http.Do(request)
	if err != nil {
		return &retryError{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return err
	}
	if response.StatusCode/100 == 2 {
		return partial(response.Header.Get("Content-Type"), answer)
	}
	text := strings.TrimSpace(string(answer[:min(len(answer), refusalBytes)]))
	err = fmt.Errorf("the collector at %s answered %s: %q", c.url.String(), response.Status, text)
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &retryError{after: retryAfter(response.Header.Get("Retry-After"), time.Now()), err: err}
	}
	return err
}

// describe sets the headers of a request. Those of the configuration replace the first one only.
func (c *client) describe(header http.Header) {
	header.Set("User-Agent", "OTel OTLP Exporter Go/"+otlptrace.Version())
	maps.Copy(header, c.headers)
	header.Set("Content-Type", contentProtobuf)
	if c.json {
		header.Set("Content-Type", contentJSON)
	}
	if c.gzip {
		header.Set("Content-Encoding", "gzip")
	}
}

// retryAfter reads the header of that name, which has seconds or a date. It returns 0 for anything else.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}

// compressed returns the body in gzip.
func compressed(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	err = errors.Join(err, w.Close()) // Close writes the rest
	return b.Bytes(), err
}

package kasse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// mostBytes limits a response body. A page of 500 events with the largest metadata has about half
// of it.
const mostBytes = 16 << 20

// request is one API call. It may be sent several times.
type request struct {
	method, path string
	header       map[string]string
	body         any           // nil: none
	hold         time.Duration // requested long-poll time, added to the timeout
}

// call sends the request until it succeeds, fails permanently, or has been sent Options.Tries
// times.
func (c *Client) call(ctx context.Context, r request, into any) error {
	var pause backoff
	for try := 1; ; try++ {
		_, err := c.send(ctx, r, into)
		if err == nil || !transient(err) || try >= c.tries {
			return err
		}
		if ended := pause.wait(ctx, err); ended != nil {
			return errors.Join(err, ended)
		}
	}
}

// send sends the request once and decodes a 2xx response into into. For a 304 it returns false and
// leaves into unchanged.
func (c *Client) send(ctx context.Context, r request, into any) (changed bool, err error) {
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return false, fmt.Errorf("kasse: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout+r.hold)
	defer cancel()
	outgoing, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("kasse: %w", err)
	}
	for name, value := range r.header {
		outgoing.Header.Set(name, value)
	}
	if r.body != nil {
		outgoing.Header.Set("Content-Type", "application/json")
	}
	c.authorize(outgoing)
	answer, err := c.http.Do(outgoing)
	if err != nil {
		return false, noAnswer{err}
	}
	defer answer.Body.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostBytes))
	if err != nil {
		return false, noAnswer{err}
	}
	switch {
	case answer.StatusCode == http.StatusNotModified:
		return false, nil
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		return false, refusal(answer, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("kasse: the response to %s %s does not match openapi.yaml: %w", r.method, r.path, err)
	}
	return true, nil
}

// noAnswer is a network error. Kasse may or may not have processed the request.
type noAnswer struct{ cause error }

// Error returns the text of the cause.
func (e noAnswer) Error() string { return "kasse: no response: " + e.cause.Error() }

// Unwrap returns the cause.
func (e noAnswer) Unwrap() error { return e.cause }

// transient reports whether the same request may succeed later.
func transient(err error) bool {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused.worthRetrying()
	}
	_, unanswered := errors.AsType[noAnswer](err)
	return unanswered
}

// backoff counts failures in a row.
type backoff struct{ failures int }

// wait pauses for the refusal's Retry-After. Without one it pauses for 1 s, doubled at each failure
// up to 30 s, minus up to a quarter of random jitter. It returns the cause if the context ends
// first.
func (b *backoff) wait(ctx context.Context, failure error) error {
	pause := time.Second << min(b.failures, 5)
	pause = min(pause, 30*time.Second)
	pause -= rand.N(pause / 4) //nolint:gosec // no secret
	b.failures++
	if refused, ok := errors.AsType[*Error](failure); ok && refused.RetryAfter > 0 {
		pause = refused.RetryAfter
	}
	return sleep(ctx, pause)
}

// sleep returns nil after the pause, or the cause if the context ends first.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

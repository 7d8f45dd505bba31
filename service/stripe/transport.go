package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// maxAnswer limits the body of a response, in bytes, so that an endless one cannot fill the memory.
const maxAnswer = 4 << 20

// newHTTPClient returns a client for one host. It follows no redirect, since that would send the key to
// another host.
func newHTTPClient(o Options) *http.Client {
	transport := o.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() // net/http documents its type
		own.MaxIdleConnsPerHost = 64
		own.ResponseHeaderTimeout = time.Minute // the call's own deadline comes first
		transport = own
	}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	return &http.Client{
		Transport:     &guarded{transport, o.Observer, o.Now},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded observes the tries of a call and limits their responses.
type guarded struct {
	next     http.RoundTripper
	observer Observer // may be nil
	now      func() time.Time
}

// RoundTrip makes one try.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if sent, ok := r.Context().Value(triesKey{}).(*atomic.Int32); ok {
		sent.Add(1)
	}
	began := g.now()
	response, err := g.next.RoundTrip(r)
	status := 0
	if err == nil {
		status, response.Body = response.StatusCode, &bounded{response.Body, maxAnswer}
	}
	if g.observer != nil {
		g.observer.CallMade(Operation(r), status, g.now().Sub(began))
	}
	return response, err
}

// words are the segments of Stripe's paths that are no ids.
var words = map[string]bool{
	"v1": true, "account": true, "cancel": true, "capture": true, "charges": true, "customer_sessions": true,
	"disputes": true,
	"events":   true, "payment_intents": true, "refunds": true, "search": true, "webhook_endpoints": true,
}

// Operation names a request without ids: "POST /v1/payment_intents/{id}/cancel".
func Operation(r *http.Request) string {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for i, segment := range segments {
		if !words[segment] {
			segments[i] = "{id}"
		}
	}
	return r.Method + " /" + strings.Join(segments, "/")
}

type triesKey struct{}

// countTries counts how often a call with this context is sent, since stripe-go does not report it.
func countTries(ctx context.Context) (context.Context, *atomic.Int32) {
	sent := new(atomic.Int32)
	return context.WithValue(ctx, triesKey{}, sent), sent
}

var errTooLong = errors.New("the response is too long")

// bounded returns an error if a body is too long: a truncated response must not count as complete.
type bounded struct {
	io.ReadCloser
	left int
}

// Read reads up to the limit.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

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

// maxAnswer bounds the body of an answer, in bytes: an endless one must not fill the memory.
const maxAnswer = 4 << 20

// newHTTPClient returns a client for one host. It follows no redirect: the key would go along.
func newHTTPClient(o Options) *http.Client {
	transport := o.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() // net/http says what it is
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

// guarded counts the tries of a call and bounds their answers.
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
		g.observer.Asked(Operation(r), status, g.now().Sub(began))
	}
	return response, err
}

// words are the segments of Stripe's paths that are no ids.
var words = map[string]bool{
	"v1": true, "account": true, "cancel": true, "capture": true, "charges": true, "customer_sessions": true,
	"disputes": true,
	"events":   true, "payment_intents": true, "refunds": true, "search": true, "webhook_endpoints": true,
}

// Operation names what a request asks of Stripe: "POST /v1/payment_intents/{id}/cancel". It holds no id.
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

// countTries counts how often a call with this context is sent: stripe-go does not tell.
func countTries(ctx context.Context) (context.Context, *atomic.Int32) {
	sent := new(atomic.Int32)
	return context.WithValue(ctx, triesKey{}, sent), sent
}

var errTooLong = errors.New("the answer is too long")

// bounded fails instead of ending where a body is too long: a cut answer must not pass for a whole one.
type bounded struct {
	io.ReadCloser
	left int
}

// Read reads on, unless too much has been read.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

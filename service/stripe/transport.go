package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// maxAnswer bounds the body of an answer, in bytes: an endless one must not fill the memory.
const maxAnswer = 4 << 20

// newHTTPClient returns a client for one host. It follows no redirect: the key would go along.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() // net/http says what it is
		own.MaxIdleConnsPerHost = 64
		own.ResponseHeaderTimeout = time.Minute // the call's own deadline comes first
		transport = own
	}
	return &http.Client{
		Transport:     &guarded{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded counts the tries of a call and bounds their answers.
type guarded struct{ next http.RoundTripper }

// RoundTrip makes one try.
func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if sent, ok := r.Context().Value(triesKey{}).(*atomic.Int32); ok {
		sent.Add(1)
	}
	response, err := g.next.RoundTrip(r)
	if err == nil {
		response.Body = &bounded{response.Body, maxAnswer}
	}
	return response, err
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

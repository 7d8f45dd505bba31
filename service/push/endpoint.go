// Package push delivers events to the endpoints of a shop's backend.
//
// A Relay runs one endpoint worker for each endpoint. The worker claims entries of the streams through an Outbox. It
// puts them into one partition queue for each partition, which makes the deliveries of one order one after the other.
// An Endpoint signs an event and posts it. Time and size of a delivery are bounded.
//
// A failed delivery waits for its retry and delays no other delivery. After ten failures in a row the circuit of the
// endpoint opens. Then the worker sends one probe at a time, with growing pauses. When a probe succeeds, the circuit
// closes, and all waiting retries are sent at once, in the order of the stream.
//
// Invariants:
//
//   - Only scheme and host of an endpoint's URL leave this package, because path and query may hold credentials.
//   - No request goes to a private address, unless the configuration allows it. The address is checked when it is
//     dialled: a name that is resolved twice may have another address the second time (DNS rebinding). For the same
//     reason the package uses no proxy of the environment, and follows no redirect.
package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

const (
	timeout      = 15 * time.Second // of one try, the response's body included
	maxBody      = 20 << 10         // bytes of a request; Standard Webhooks recommends it
	maxAnswer    = 64 << 10         // bytes of a response that are read, so that the connection can be used again
	connections  = 64               // kept open to an endpoint
	keepIdle     = 90 * time.Second
	answerHeader = 64 << 10 // bytes
)

// Secret is a value that only Reveal shows, such as a secret of the configuration.
type Secret interface{ Reveal() string }

// Options describe an endpoint.
type Options struct {
	URL          Secret   // https, or http with AllowPrivate; path and query may hold credentials
	Secrets      []Secret // "whsec_" and base64; each makes a signature, for rotation
	Types        []string // event types to deliver; empty: all
	AllowPrivate bool     // also http and private addresses
	Now          func() time.Time
}

// Endpoint posts events to a URL. Its methods may be called from many goroutines.
type Endpoint struct {
	id      EndpointID
	name    string
	request *http.Request   // without body and signature
	types   map[string]bool // nil: all
	signers []*signer
	client  *http.Client  // for an endpoint whose HTTP version is not known, or is 2
	direct  *directClient // for HTTP/1.1
	http1   atomic.Bool   // the endpoint speaks HTTP/1.1
	now     func() time.Time
}

// New returns an endpoint. Its errors name no value.
func New(o Options) (*Endpoint, error) {
	u, err := url.Parse(o.URL.Reveal())
	switch {
	case err != nil || u.Hostname() == "" || u.Fragment != "" || u.Opaque != "":
		return nil, errors.New("an endpoint must be an absolute URL without a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !o.AllowPrivate):
		return nil, errors.New("an endpoint must be https (or http with EVENT_ALLOW_PRIVATE)")
	}
	sum := sha256.Sum256([]byte(o.URL.Reveal()))
	e := &Endpoint{
		id: EndpointID(hex.EncodeToString(sum[:8])), name: u.Scheme + "://" + u.Host, now: o.Now,
		request: &http.Request{
			Method: http.MethodPost, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		},
	}
	dialer := newDialer(o.AllowPrivate)
	e.client = newClient(dialer)
	if e.direct, err = newDirectClient(e.request, dialer); err != nil {
		return nil, errors.New("an endpoint's URL cannot be written into a request")
	}
	e.http1.Store(u.Scheme == "http")
	for _, name := range o.Types {
		if !payment.KnownEventType(name) {
			return nil, errors.New("an endpoint names an unknown event type (docs/events.md lists all types)")
		}
		if e.types == nil {
			e.types = map[string]bool{}
		}
		e.types[name] = true
	}
	for _, secret := range o.Secrets {
		signer, err := newSigner(secret)
		if err != nil {
			return nil, err
		}
		e.signers = append(e.signers, signer)
	}
	if len(e.signers) == 0 {
		return nil, errors.New("an endpoint needs a secret")
	}
	return e, nil
}

// newDialer returns a dialer that checks the address of each connection.
func newDialer(allowPrivate bool) *net.Dialer {
	dialer := &net.Dialer{Timeout: timeout}
	if !allowPrivate {
		dialer.Control = refuseInside
	}
	return dialer
}

func newClient(dialer *net.Dialer) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: connections,
			IdleConnTimeout: keepIdle, MaxResponseHeaderBytes: answerHeader, DisableCompression: true,
		},
	}
}

// ID names the endpoint in Redis.
func (e *Endpoint) ID() EndpointID { return e.id }

// Name is the URL's scheme and host, with the number that Number gave.
func (e *Endpoint) Name() string { return e.name }

// Number makes the names of endpoints with the same scheme and host unique: the first one keeps its name, the
// second becomes "https://shop.example#2".
func Number(endpoints []*Endpoint) {
	count := map[string]int{}
	for _, e := range endpoints {
		if count[e.name]++; count[e.name] > 1 {
			e.name += "#" + strconv.Itoa(count[e.name])
		}
	}
}

// Close ends the connections that are kept.
func (e *Endpoint) Close() {
	e.client.CloseIdleConnections()
	e.direct.close()
}

// Wants reports whether events of this type are delivered.
func (e *Endpoint) Wants(eventType string) bool { return e.types == nil || e.types[eventType] }

// answer holds the used parts of a response.
type answer struct {
	status     int
	major      int    // of its HTTP version
	retryAfter string // the header Retry-After
}

// Push sends the event once. Any 2xx is success; everything else is a *Failure. The status is 0
// without a response.
func (e *Endpoint) Push(ctx context.Context, event payment.FeedEvent) (status int, err error) {
	m, err := newMessage(event, e.now(), e.signers)
	if err != nil {
		return 0, &Failure{Reason: "the request cannot be made"}
	}
	a, err := e.post(ctx, m)
	switch {
	case err != nil:
		return 0, &Failure{Reason: reason(err)}
	case a.status >= 200 && a.status < 300: // those below 200 are skipped
		return a.status, nil
	}
	return a.status, &Failure{
		Reason: "answered " + strconv.Itoa(a.status), Gone: a.status == http.StatusGone,
		RetryAfter: e.retryAfter(a.retryAfter),
	}
}

// post sends a message. The first response of a TLS endpoint decides the version of HTTP.
func (e *Endpoint) post(ctx context.Context, m message) (answer, error) {
	if e.http1.Load() {
		return e.direct.post(ctx, m, time.Now().Add(timeout)) //nolint:forbidigo // it bounds, and dates nothing
	}
	a, err := e.negotiate(ctx, m)
	if err == nil && a.major == 1 {
		e.http1.Store(true)
		e.client.CloseIdleConnections()
	}
	return a, err
}

// negotiate sends a message with net/http, which uses HTTP/2 if the endpoint does.
func (e *Endpoint) negotiate(ctx context.Context, m message) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request := e.request.WithContext(ctx)
	request.Header = m.header()
	request.ContentLength = int64(len(m.body))
	request.Body = io.NopCloser(bytes.NewReader(m.body))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.body)), nil }
	response, err := e.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // the status has been read, and counts
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	return answer{response.StatusCode, response.ProtoMajor, response.Header.Get("Retry-After")}, nil
}

// retryAfter reads the header Retry-After: seconds, or a date. It returns at most maxRetryAfter.
func (e *Endpoint) retryAfter(value string) time.Duration {
	seconds, err := strconv.ParseUint(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && seconds > uint64(maxRetryAfter/time.Second):
		return maxRetryAfter
	case err == nil:
		return time.Duration(seconds) * time.Second //nolint:gosec // at most maxRetryAfter
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(e.now()), 0), maxRetryAfter)
}

// reason returns why there was no response, without the URL that net/http puts into its errors.
func reason(err error) string {
	var timedOut interface{ Timeout() bool }
	var lookup *net.DNSError
	var dial *net.OpError
	switch {
	case errors.Is(err, errInside):
		return errInside.Error()
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return "did not answer in time"
	case errors.As(err, &lookup):
		return "its host name could not be resolved"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "could not be connected to"
	case strings.Contains(err.Error(), "certificate"):
		return "its certificate could not be verified"
	}
	return "closed the connection early"
}

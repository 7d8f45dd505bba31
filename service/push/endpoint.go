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
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

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
	signers []*standardwebhooks.Webhook
	client  *http.Client
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
		client: newClient(o.AllowPrivate),
	}
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

// newSigner parses "whsec_" and the base64 of 24 to 64 bytes, the format of Standard Webhooks.
func newSigner(secret Secret) (*standardwebhooks.Webhook, error) {
	key, err := decodeSecret(secret)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret must be whsec_ and the base64 of 24 to 64 bytes")
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// newClient returns a client that checks the address of each connection.
func newClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout}
	if !allowPrivate {
		dialer.Control = refuseInside
	}
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
func (e *Endpoint) Close() { e.client.CloseIdleConnections() }

// Wants reports whether events of this type are delivered.
func (e *Endpoint) Wants(eventType string) bool { return e.types == nil || e.types[eventType] }

// Push sends the event once. Any 2xx is success; everything else is a *Failure. The status is 0
// without a response.
func (e *Endpoint) Push(ctx context.Context, event payment.FeedEvent) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := e.newRequest(ctx, event)
	if err != nil {
		return 0, &Failure{Reason: "the request cannot be made"}
	}
	response, err := e.client.Do(request)
	if err != nil {
		return 0, &Failure{Reason: reason(err)}
	}
	defer response.Body.Close() //nolint:errcheck // the status has been read, and counts
	status = response.StatusCode
	if status != http.StatusSwitchingProtocols { // its body is the connection, which no deadline ends
		_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	}
	if status >= 200 && status < 300 { // those below 200 are skipped
		return status, nil
	}
	return status, &Failure{
		Reason: "answered " + strconv.Itoa(status), Gone: status == http.StatusGone,
		RetryAfter: e.retryAfter(response.Header.Get("Retry-After")),
	}
}

// newRequest encodes and signs an event.
func (e *Endpoint) newRequest(ctx context.Context, event payment.FeedEvent) (*http.Request, error) {
	body, err := encode(event)
	if err != nil {
		return nil, err
	}
	at := e.now()
	signatures := make([]string, len(e.signers))
	for i, signer := range e.signers {
		if signatures[i], err = signer.Sign(event.ID, at, body); err != nil {
			return nil, err
		}
	}
	request := e.request.WithContext(ctx)
	request.Header = make(http.Header, 6)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Kasse")
	if event.Trace != "" {
		request.Header.Set("Traceparent", event.Trace)
	}
	request.Header.Set(standardwebhooks.HeaderWebhookID, event.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	request.ContentLength = int64(len(body))
	request.Body = io.NopCloser(bytes.NewReader(body))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return request, nil
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

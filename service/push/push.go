// Package push sends one event to one endpoint of a shop's backend: signed, bounded in time and size, and never to an
// address inside.
//
// One invariant: nothing of an endpoint's URL but scheme and host leaves this package, since path and query may hold
// credentials. Addresses are checked when the connection is made, on the address that is dialled: a name that is looked
// up before and again for the connection may give another the second time (DNS rebinding). For the same reason no proxy
// of the environment is used, and no redirect is followed.
package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"kasse/service"
)

const (
	timeout      = 15 * time.Second // of one try, the answer's body included
	maxBody      = 20 << 10         // bytes of a request; Standard Webhooks recommends it
	maxAnswer    = 64 << 10         // bytes of an answer that are read, so that the connection can be used again
	connections  = 64               // kept open to an endpoint
	keepIdle     = 90 * time.Second
	answerHeader = 64 << 10 // bytes
)

// Options is what an endpoint has to be told.
type Options struct {
	URL          service.Secret   // https, or http with AllowPrivate; path and query may hold credentials
	Secrets      []service.Secret // "whsec_" and base64; each makes a signature, for rotation
	AllowPrivate bool             // also http and addresses inside
	Now          func() time.Time
}

// Endpoint is where events are pushed to. Its methods may be called from many goroutines.
type Endpoint struct {
	id      service.EndpointID
	name    string
	url     string
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
		id: service.EndpointID(hex.EncodeToString(sum[:8])), name: u.Scheme + "://" + u.Host, url: o.URL.Reveal(), now: o.Now,
		client: newClient(o.AllowPrivate),
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

// newSigner takes "whsec_" and the base64 of 24 to 64 bytes, which is Standard Webhooks' shape.
func newSigner(secret service.Secret) (*standardwebhooks.Webhook, error) {
	key, err := decodeSecret(secret)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret must be whsec_ and the base64 of 24 to 64 bytes")
	}
	return standardwebhooks.NewWebhookRaw(key)
}

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
func (e *Endpoint) ID() service.EndpointID { return e.id }

// Name is the URL's scheme and host, with the number that Number gave.
func (e *Endpoint) Name() string { return e.name }

// Number gives those of one scheme and host names of their own: the first keeps its, the second is "https://shop.example#2".
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

// Push sends the event once. Any 2xx is success; everything else is a *service.PushFailure.
func (e *Endpoint) Push(ctx context.Context, event service.FeedEvent) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := e.request(ctx, event)
	if err != nil {
		return &service.PushFailure{Reason: "the request cannot be made"}
	}
	response, err := e.client.Do(request)
	if err != nil {
		return &service.PushFailure{Reason: reason(err)}
	}
	defer response.Body.Close()                                  //nolint:errcheck // what it says is not read
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)        // the status has been read, and counts
	if response.StatusCode >= 200 && response.StatusCode < 300 { // net/http takes care of 1xx
		return nil
	}
	return &service.PushFailure{
		Reason: "answered " + strconv.Itoa(response.StatusCode), Gone: response.StatusCode == http.StatusGone,
		RetryAfter: e.retryAfter(response.Header.Get("Retry-After")),
	}
}

func (e *Endpoint) request(ctx context.Context, event service.FeedEvent) (*http.Request, error) {
	body, err := encode(event)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at := e.now()
	signatures := make([]string, 0, len(e.signers))
	for _, signer := range e.signers {
		signature, err := signer.Sign(event.ID, at, body)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, signature)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Kasse")
	if event.Trace != "" {
		request.Header.Set("traceparent", event.Trace)
	}
	request.Header.Set(standardwebhooks.HeaderWebhookID, event.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return request, nil
}

// pushed is the body: the event as the feed shows it, with the member that Standard Webhooks calls timestamp.
type pushed struct {
	service.FeedEvent
	Timestamp time.Time `json:"timestamp"`
	Truncated bool      `json:"truncated"` // the shop's metadata made it too large, and was left out
}

func encode(event service.FeedEvent) ([]byte, error) {
	body, err := json.Marshal(pushed{FeedEvent: event, Timestamp: event.CreatedAt})
	if err != nil || len(body) < maxBody {
		return body, err
	}
	event.Data, err = service.WithoutMetadata(event.Data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(pushed{FeedEvent: event, Timestamp: event.CreatedAt, Truncated: true})
}

// retryAfter reads what the endpoint asks for: seconds, or a date.
func (e *Endpoint) retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(time.Duration(seconds)*time.Second, 0)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(date.Sub(e.now()), 0)
	}
	return 0
}

// reason says why there was no answer, without the URL that net/http puts into its errors.
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
		return "its name cannot be looked up"
	case errors.As(err, &dial) && dial.Op == "dial":
		return "cannot be connected to"
	case strings.Contains(err.Error(), "certificate"):
		return "its certificate cannot be verified"
	}
	return "broke the connection off"
}

package stripe

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	stripego "github.com/stripe/stripe-go/v79"
)

// What Stripe says of the key itself; an operator has to act.
var (
	ErrKeyRefused = errors.New("Stripe does not take the key") //nolint:staticcheck // a name
	ErrNotAllowed = errors.New("the key may not read this")
)

// Hello is Stripe's answer to the question whose key this is.
type Hello struct {
	Account string        // "acct_…"; empty with ErrNotAllowed
	Ahead   time.Duration // of our clock over Stripe's, which gives whole seconds; negative: behind
}

// Greet asks whose key this is, and what time it is at Stripe. With ErrNotAllowed the time is known all the same.
func (g *Gateway) Greet(ctx context.Context) (Hello, error) {
	var a struct {
		stripego.APIResource
		ID string `json:"id"`
	}
	began := g.Now()
	err := g.look(ctx, "/v1/account", nil, &a)
	middle := began.Add(g.Now().Sub(began) / 2)
	h := Hello{Account: a.ID}
	if a.LastResponse == nil {
		return h, err
	}
	if at, dateErr := http.ParseTime(a.LastResponse.Header.Get("Date")); dateErr == nil {
		h.Ahead = middle.Sub(at).Truncate(time.Second)
	}
	return h, err
}

// Endpoint is where Stripe delivers events to.
//
// Source: https://docs.stripe.com/api/webhook_endpoints/object
type Endpoint struct {
	URL        string   `json:"url"`
	Status     string   `json:"status"`         // enabled or disabled
	Events     []string `json:"enabled_events"` // types, or "*"
	APIVersion string   `json:"api_version"`    // empty: the account's own
}

// Endpoints lists the first hundred webhook endpoints of the account, in the key's mode. It fails with
// ErrNotAllowed for a restricted key that may not see them.
func (g *Gateway) Endpoints(ctx context.Context) ([]Endpoint, error) {
	var page struct {
		stripego.APIResource
		Data []Endpoint `json:"data"`
	}
	err := g.look(ctx, "/v1/webhook_endpoints", url.Values{"limit": {"100"}}, &page)
	return page.Data, err
}

// look is a call that distinguishes a refused key from one that may not read everything.
func (g *Gateway) look(ctx context.Context, path string, query url.Values, into stripego.LastResponseSetter) error {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	err := g.backend.CallRaw(
		http.MethodGet, path, g.SecretKey.Reveal(), ordered(query), &stripego.Params{Context: ctx}, into,
	)
	if said, ok := errors.AsType[*stripego.Error](err); ok {
		into.SetLastResponse(said.LastResponse)
		switch said.HTTPStatusCode {
		case http.StatusUnauthorized:
			return ErrKeyRefused
		case http.StatusForbidden:
			return ErrNotAllowed
		}
	}
	return g.translateError(ctx, err)
}

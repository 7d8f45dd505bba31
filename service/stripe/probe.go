package stripe

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	stripego "github.com/stripe/stripe-go/v79"
)

// Errors about the key itself, on which an operator must act.
var (
	ErrKeyRefused = errors.New("Stripe does not accept the key") //nolint:staticcheck // a name
	ErrNotAllowed = errors.New("the key has no read access to this")
)

// AccountInfo is the key's account and the difference of the clocks.
type AccountInfo struct {
	Account string        // "acct_…"; empty with ErrNotAllowed
	Ahead   time.Duration // our clock minus Stripe's, which has whole seconds; negative: behind
}

// Probe reads the key's account and Stripe's clock. With ErrNotAllowed the clock is set all the same.
func (g *Gateway) Probe(ctx context.Context) (AccountInfo, error) {
	var a struct {
		stripego.APIResource
		ID string `json:"id"`
	}
	began := g.Now()
	err := g.probe(ctx, "/v1/account", nil, &a)
	middle := began.Add(g.Now().Sub(began) / 2)
	h := AccountInfo{Account: a.ID}
	if a.LastResponse == nil {
		return h, err
	}
	if at, dateErr := http.ParseTime(a.LastResponse.Header.Get("Date")); dateErr == nil {
		h.Ahead = middle.Sub(at).Truncate(time.Second)
	}
	return h, err
}

// Endpoint is a webhook endpoint at Stripe.
//
// Source: https://docs.stripe.com/api/webhook_endpoints/object
type Endpoint struct {
	URL        string   `json:"url"`
	Status     string   `json:"status"`         // enabled or disabled
	Events     []string `json:"enabled_events"` // types, or "*"
	APIVersion string   `json:"api_version"`    // empty: the account's default
}

// Endpoints returns the first hundred webhook endpoints of the account, in the key's mode. It returns
// ErrNotAllowed if a restricted key may not read them.
func (g *Gateway) Endpoints(ctx context.Context) ([]Endpoint, error) {
	var page struct {
		stripego.APIResource
		Data []Endpoint `json:"data"`
	}
	err := g.probe(ctx, "/v1/webhook_endpoints", url.Values{"limit": {"100"}}, &page)
	return page.Data, err
}

// probe is a call that distinguishes a refused key from one without a permission.
func (g *Gateway) probe(ctx context.Context, path string, query url.Values, into stripego.LastResponseSetter) error {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	err := g.do(ctx, stripego.APIVersion, http.MethodGet, path, "", wireOf(query), into)
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

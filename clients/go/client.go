package kasse

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Options change how a Client talks to Kasse. The zero value is right for most backends.
type Options struct {
	// HTTPClient sends the requests; nil means http.DefaultClient. The Client uses a copy that does
	// not follow redirects. Leave its Timeout at 0: Kasse holds the answers to Follow and Feed for
	// up to 25 s, and the Timeout below allows for that.
	HTTPClient *http.Client
	// Tries is the largest number of requests that one call sends; 0 means 3. Follow and Feed retry
	// without limit.
	Tries int
	// Timeout limits one request; 0 means 30 s. A long poll gets its wait in addition.
	Timeout time.Duration
}

// Client calls Kasse with one credential. It is safe for concurrent use.
type Client struct {
	base      string
	authorize func(*http.Request) // a function, so that printing a Client shows no credential
	http      *http.Client
	tries     int
	timeout   time.Duration
}

// credentials matches the three kinds that Kasse accepts: service key, client secret, order token.
var credentials = regexp.MustCompile(`^(ksk_[A-Za-z0-9_-]{32,}|pi_\w+_secret_\w+|[\w-]+\.[\w-]+\.[\w-]+)$`)

// New returns a client of the Kasse at baseURL, such as https://pay.shop.internal. The credential
// is usually a service key. An order token or a client secret works too, with the rights of its
// holder. New sends no request. It returns an error if the URL or the credential is malformed; the
// error does not contain the credential.
func New(baseURL, credential string, o Options) (*Client, error) {
	address, err := url.Parse(baseURL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, errors.New("kasse: the base URL must begin with http:// or https:// and name a host")
	}
	if address.RawQuery != "" || address.User != nil {
		return nil, errors.New("kasse: the base URL must have no query, no user and no password")
	}
	if !credentials.MatchString(credential) {
		return nil, errors.New("kasse: the credential is not a service key (ksk_…), an order token or a client secret")
	}
	sender := *cmp.Or(o.HTTPClient, http.DefaultClient)
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base:      strings.TrimSuffix(address.String(), "/"),
		authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+credential) },
		http:      &sender,
		tries:     cmp.Or(o.Tries, 3),
		timeout:   cmp.Or(o.Timeout, 30*time.Second),
	}, nil
}

// ids matches the ids of payments and orders. Other text, such as "../x", could address another path.
var ids = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,255}$`)

// pathOf returns the path of a payment or an order, followed by below. The collection is "payments"
// or "orders".
func pathOf(collection, id, below string) (string, error) {
	if !ids.MatchString(id) {
		return "", fmt.Errorf("kasse: %q cannot be an id in /v1/%s", id, collection)
	}
	return "/v1/" + collection + "/" + id + below, nil
}

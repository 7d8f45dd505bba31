package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"kasse/api"
)

// TestStrictTransport: only where the browser's own connection has TLS, as far as we can believe it.
func TestStrictTransport(t *testing.T) {
	g := newGuarded(t)
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, test := range []struct {
		name    string
		tls     bool
		trusted []netip.Prefix
		proto   string
		want    string
	}{
		{"the proxy has TLS", false, loopback, "https", "max-age=31536000"},
		{"the proxy has none", false, loopback, "http", ""},
		{"the proxy says nothing", false, loopback, "", ""},
		{"anybody says so", false, nil, "https", ""},
		{"another's proxy", false, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "https", ""},
		{"our own TLS", true, nil, "", "max-age=31536000"},
	} {
		o := g.options(discard())
		o.TrustedProxies = test.trusted
		start := httptest.NewServer
		if test.tls {
			start = httptest.NewTLSServer
		}
		server := start(api.New(nil, o))
		for _, path := range []string{"/v1/config", "/v1/nothing", "/v1/events"} {
			if got := strictTransport(t.Context(), t, server, path, test.proto); got != test.want {
				t.Errorf("%s: %s has %q, want %q", test.name, path, got, test.want)
			}
		}
		server.Close()
	}
}

func strictTransport(ctx context.Context, t *testing.T, server *httptest.Server, path, proto string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if proto != "" {
		r.Header.Set("X-Forwarded-Proto", proto)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Strict-Transport-Security")
}

package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (r *running) in(t *testing.T) *running {
	t.Helper()
	copied := *r
	copied.t = t
	return &copied
}

func (r *running) checkRaw(request string, status int, code string) {
	r.t.Helper()
	w := r.dial()
	_ = w.send(request) // Kasse may refuse before it has read everything
	if tcp, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = tcp.CloseWrite()
	}
	response, body := w.readResponse()
	if response.StatusCode != status || !strings.Contains(body, `"code":"`+code) && code != "" {
		r.t.Errorf("%d %s, want %d %s", response.StatusCode, body, status, code)
	}
	if code == "" {
		return
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "X-Content-Type-Options": "nosniff",
	} {
		if got := response.Header.Get(name); got != want {
			r.t.Errorf("%s is %q", name, got)
		}
	}
	if caching := response.Header.Get("Cache-Control"); caching != "no-store" && caching != "private, no-cache" {
		r.t.Errorf("Cache-Control is %q", caching)
	}
}

// TestPipelining: pipelined requests get their own responses, in order.
func TestPipelining(t *testing.T) {
	r := run(t, nil)
	w := r.dial()
	var all strings.Builder
	const count = 300
	for n := range count {
		who := ""
		if n%3 == 0 {
			who = "Authorization: Bearer " + testKey + "\r\n"
		}
		_, _ = fmt.Fprintf(&all, "GET /v1/orders/none HTTP/1.1\r\nHost: kasse\r\n%sX-Request-Id: r%d\r\n\r\n", who, n)
	}
	go func() { _ = w.send(all.String()) }()
	r.requireHarmless(func() {
		for n := range count {
			response, body := w.readResponse()
			want := http.StatusUnauthorized
			if n%3 == 0 {
				want = http.StatusNotFound
			}
			if id := fmt.Sprintf("r%d", n); response.StatusCode != want || response.Header.Get("X-Request-Id") != id ||
				!strings.Contains(body, `"`+id+`"`) {
				t.Fatalf("number %d: %d %s", n, response.StatusCode, body)
			}
		}
	})
}

// TestSlowRequests: a client that takes too long is disconnected, and has changed nothing.
func TestSlowRequests(t *testing.T) {
	const bound = 300 * time.Millisecond
	r := run(t, func(b *bounds) { b.readHeader, b.read, b.idle = bound, bound, bound })
	tests := map[string]struct {
		request, drop string // first text, then the text that is repeated
		says          string // bytes before the end
	}{
		"nothing at all":          {"", "", ""},
		"half a line":             {"GET /v1/con", "", "400 Bad Request"},
		"a header without end":    {"GET /v1/config HTTP/1.1\r\nX-A: ", "a", ""},
		"headers without end":     {"GET /v1/config HTTP/1.1\r\n", "X-A: b\r\n", ""},
		"nothing after an answer": {"GET /v1/config HTTP/1.1\r\nHost: kasse\r\n\r\n", "", "200 OK"},
		"no body": {
			"POST /v1/payments HTTP/1.1\r\n" + asBackend + asJSON + "Content-Length: 100\r\n\r\n", "",
			`"invalid_request"`,
		},
		"a body byte by byte": {
			"POST /v1/payments HTTP/1.1\r\n" + asBackend + asJSON + "Content-Length: 60000\r\n\r\n{", " ",
			`"invalid_request"`,
		},
		"chunks one by one": {
			"POST /v1/payments HTTP/1.1\r\n" + asBackend + asJSON + "Transfer-Encoding: chunked\r\n\r\n",
			"1\r\n \r\n", `"invalid_request"`,
		},
		"a body without a credential": {
			"POST /v1/payments HTTP/1.1\r\nHost: kasse\r\n" + asJSON + "Content-Length: 60000\r\n\r\n", " ",
			`"unauthenticated"`,
		},
		"a body that no handler reads": {
			"POST /v1/nothing HTTP/1.1\r\nHost: kasse\r\nContent-Length: 60000\r\n\r\n", " ", `"not_found"`,
		},
		"a webhook byte by byte": {
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nStripe-Signature: t=1,v1=00\r\n" +
				"Content-Length: 200000\r\n\r\n",
			" ", `"invalid_request"`,
		},
		"a webhook of no signature": {
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nContent-Length: 200000\r\n\r\n", " ",
			`"invalid_signature"`,
		},
	}
	r.requireHarmless(func() {
		t.Run("all at once", func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := r.in(t).dial()
					_ = w.send(test.request)
					stop := w.drip(test.drop)
					said := w.readUntilClosed()
					stop()
					if !strings.Contains(said, test.says) || test.says == "" && said != "" {
						t.Errorf("it said %q, want %q", said, test.says)
					}
				})
			}
		})
	})
}

// drip sends the text repeatedly until it is stopped or the connection is closed.
func (w *wire) drip(text string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for text != "" && w.send(text) == nil {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestPortsAreApart: the public port has no route of the admin port, and neither port has a debugger.
func TestPortsAreApart(t *testing.T) {
	r := run(t, nil)
	for _, path := range []string{
		"/livez", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/healthz", "/admin",
		"/.env", "/.git/config", "/server-status",
	} {
		if status := r.get(r.public, path); status != http.StatusNotFound {
			t.Errorf("public %s answers %d", path, status)
		}
	}
	for _, path := range []string{
		"/v1/config", "/v1/payments", "/webhooks/stripe", "/openapi.yaml", "/debug/pprof/", "/debug/vars",
	} {
		if status := r.get(r.admin, path); status != http.StatusNotFound {
			t.Errorf("admin %s answers %d", path, status)
		}
	}
}

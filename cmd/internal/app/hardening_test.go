package app

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	asBackend = "Host: kasse\r\nAuthorization: Bearer " + testKey + "\r\n"
	asJSON    = "Content-Type: application/json\r\n"
	aBody     = `{"order_id":"shop-1","amount":100,"currency":"eur"}`
)

// TestRawRequests: what no client sends. Where net/http refuses by itself, the answer is its own plain text.
func TestRawRequests(t *testing.T) {
	r := run(t, nil)
	create := func(header, body string) string {
		return "POST /v1/payments HTTP/1.1\r\n" + asBackend + header + "\r\n" + body
	}
	sized := fmt.Sprintf("Content-Length: %d\r\n", len(aBody))
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(aBody), aBody)
	var bomb bytes.Buffer
	squeeze := gzip.NewWriter(&bomb)
	_, _ = squeeze.Write(make([]byte, 64<<20))
	_ = squeeze.Close()
	tests := map[string]struct {
		request string
		status  int
		code    string // of the problem; none where net/http answers
	}{
		"a header of 80 KB": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nX-A: " + strings.Repeat("a", 80_000) + "\r\n\r\n", 431, "",
		},
		"20,000 headers": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n", 431, "",
		},
		"20,000 headers of other names": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\n" + manyHeaders(20_000) + "\r\n", 431, "",
		},
		"an address of 80 KB": {
			"GET /" + strings.Repeat("a", 80_000) + " HTTP/1.1\r\nHost: kasse\r\n\r\n", 431, "",
		},
		"a header of 60 KB": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nX-A: " + strings.Repeat("a", 60_000) + "\r\n\r\n", 200, "",
		},
		"a credential of 60 KB": {"GET /v1/events HTTP/1.1\r\nHost: kasse\r\nAuthorization: Bearer ksk_" +
			strings.Repeat("a", 60_000) + "\r\n\r\n", 401, "unauthenticated"},
		"an id of 60 KB": {
			"GET /v1/payments/pi_" + strings.Repeat("a", 60_000) + " HTTP/1.1\r\nHost: kasse\r\n\r\n", 400,
			"invalid_request",
		},
		"no host":   {"GET /v1/config HTTP/1.1\r\n\r\n", 400, ""},
		"two hosts": {"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nHost: evil\r\n\r\n", 400, ""},
		"a folded header": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nX-A: b\r\n\tc\r\n\r\n", 200, "",
		},
		"a space before the colon": {"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nX-A : b\r\n\r\n", 400, ""},
		"NUL in a header":          {"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nX-A: a\x00b\r\n\r\n", 400, ""},
		"NUL in the address":       {"GET /v1/config\x00 HTTP/1.1\r\nHost: kasse\r\n\r\n", 400, ""},
		"no version":               {"GET /v1/config\r\nHost: kasse\r\n\r\n", 400, ""},
		"an unknown version":       {"GET /v1/config HTTP/3.0\r\nHost: kasse\r\n\r\n", 505, ""},
		"TLS":                      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""},
		"two lengths":              {create(asJSON+sized+"Content-Length: 5\r\n", aBody), 400, ""},
		"a negative length":        {create(asJSON+"Content-Length: -1\r\n", aBody), 400, ""},
		"a length with a sign": {
			create(asJSON+fmt.Sprintf("Content-Length: +%d\r\n", len(aBody)), aBody), 400, "",
		},
		"chunks in gzip": {create(asJSON+"Transfer-Encoding: gzip, chunked\r\n", chunked), 501, ""},
		"chunks twice": {
			create(asJSON+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked), 501, "",
		},
		"chunks of no number": {
			create(asJSON+"Transfer-Encoding: chunked\r\n", "zz\r\n"+aBody+"\r\n0\r\n\r\n"), 400, "invalid_request",
		},
		"a body that ends early": {
			create(asJSON+"Transfer-Encoding: chunked\r\n", "ff\r\n"+aBody), 400, "invalid_request",
		},
		"a length of 1 TB": {
			create(asJSON+"Content-Length: 1000000000000\r\n", strings.Repeat(" ", 65<<10)), 413, "body_too_large",
		},
		"chunks without end": {create(
			asJSON+"Transfer-Encoding: chunked\r\n",
			strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17),
		), 413, "body_too_large"},
		"gzip": {
			create(
				asJSON+"Content-Encoding: gzip\r\n"+fmt.Sprintf("Content-Length: %d\r\n", bomb.Len()),
				bomb.String(),
			),
			415, "unsupported_media_type",
		},
		"gzip that says it is none": {
			create(asJSON+fmt.Sprintf("Content-Length: %d\r\n", bomb.Len()), bomb.String()), 400, "invalid_json",
		},
		"gzip that is none": {
			create(asJSON+"Content-Encoding: gzip\r\n"+sized, aBody), 415, "unsupported_media_type",
		},
		"identity": {
			create(asJSON+"Content-Encoding: identity\r\n"+sized, aBody), 415, "unsupported_media_type",
		},
		"a tunnel": {
			"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 404, "not_found",
		},
		"a proxy's request": {
			"GET http://evil.example/latest/meta-data HTTP/1.1\r\nHost: kasse\r\n\r\n", 404, "not_found",
		},
		"an unknown method": {
			"BREW /v1/payments HTTP/1.1\r\nHost: kasse\r\n\r\n", 405, "method_not_allowed",
		},
		"a method in lower case": {
			"post /v1/payments HTTP/1.1\r\n" + asBackend + "Content-Length: 0\r\n\r\n", 405, "method_not_allowed",
		},
		"OPTIONS *": {"OPTIONS * HTTP/1.1\r\nHost: kasse\r\n\r\n", 200, ""},
		"h2c": {
			"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
			200, "",
		},
		"another method by its own header": {
			"POST /v1/config HTTP/1.1\r\nHost: kasse\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n",
			405, "method_not_allowed",
		},
	}
	r.harmless(func() {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { r.in(t).checkRaw(test.request, test.status, test.code) })
		}
	})
}

func manyHeaders(count int) string {
	var text strings.Builder
	for n := range count {
		_, _ = fmt.Fprintf(&text, "X-%d: b\r\n", n)
	}
	return text.String()
}

func (r *running) in(t *testing.T) *running {
	t.Helper()
	copied := *r
	copied.t = t
	return &copied
}

func (r *running) checkRaw(request string, status int, code string) {
	r.t.Helper()
	w := r.dial()
	_ = w.say(request) // it may be refused before all of it is read
	if tcp, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = tcp.CloseWrite()
	}
	response, body := w.answer()
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

// TestPipelining: requests that come together are answered one after the other, each with its own answer.
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
	go func() { _ = w.say(all.String()) }()
	r.harmless(func() {
		for n := range count {
			response, body := w.answer()
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

// TestSlowRequests: a client that takes too long is cut off, and has changed nothing.
func TestSlowRequests(t *testing.T) {
	const bound = 300 * time.Millisecond
	r := run(t, func(b *bounds) { b.readHeader, b.read, b.idle = bound, bound, bound })
	tests := map[string]struct {
		request, drop string // what comes first, and then again and again
		says          string // before the end
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
		"a body of a stranger": {
			"POST /v1/payments HTTP/1.1\r\nHost: kasse\r\n" + asJSON + "Content-Length: 60000\r\n\r\n", " ",
			`"unauthenticated"`,
		},
		"a body that no handler reads": {
			"POST /v1/nothing HTTP/1.1\r\nHost: kasse\r\nContent-Length: 60000\r\n\r\n", " ", `"not_found"`,
		},
		"a webhook byte by byte": {
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nStripe-Signature: t=1,v1=00\r\nContent-Length: 200000\r\n\r\n",
			" ", `"invalid_request"`,
		},
		"a webhook of no signature": {
			"POST /webhooks/stripe HTTP/1.1\r\nHost: kasse\r\nContent-Length: 200000\r\n\r\n", " ",
			`"invalid_signature"`,
		},
	}
	r.harmless(func() {
		t.Run("all at once", func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := r.in(t).dial()
					_ = w.say(test.request)
					stop := w.drip(test.drop)
					said := w.ends()
					stop()
					if !strings.Contains(said, test.says) || test.says == "" && said != "" {
						t.Errorf("it said %q, want %q", said, test.says)
					}
				})
			}
		})
	})
}

// drip sends the text again and again, until it is stopped or the connection is closed.
func (w *wire) drip(text string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for text != "" && w.say(text) == nil {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestPortsAreApart: the public port has nothing of the admin's, and neither has a debugger.
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

package app

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
)

const (
	asBackend = "Host: kasse\r\nAuthorization: Bearer " + testKey + "\r\n"
	asJSON    = "Content-Type: application/json\r\n"
	aBody     = `{"order_id":"shop-1","amount":100,"currency":"eur"}`
)

// rawCase is a request in wire format.
type rawCase struct {
	request string
	status  int
	code    string // problem code; empty if net/http refuses
}

// largeRequests have long headers or paths.
var largeRequests = map[string]rawCase{
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
}

// malformedHeads violate a rule of the request line or of headers.
var malformedHeads = map[string]rawCase{
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
}

// malformedBodies violate a rule of lengths, chunks or encodings.
var malformedBodies = map[string]rawCase{
	"two lengths":       {rawCreate(asJSON+sized+"Content-Length: 5\r\n", aBody), 400, ""},
	"a negative length": {rawCreate(asJSON+"Content-Length: -1\r\n", aBody), 400, ""},
	"a length with a sign": {
		rawCreate(asJSON+fmt.Sprintf("Content-Length: +%d\r\n", len(aBody)), aBody), 400, "",
	},
	"chunks in gzip": {rawCreate(asJSON+"Transfer-Encoding: gzip, chunked\r\n", chunked), 501, ""},
	"chunks twice": {
		rawCreate(asJSON+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked), 501, "",
	},
	"chunks of no number": {
		rawCreate(asJSON+"Transfer-Encoding: chunked\r\n", "zz\r\n"+aBody+"\r\n0\r\n\r\n"), 400, "invalid_request",
	},
	"a body that ends early": {
		rawCreate(asJSON+"Transfer-Encoding: chunked\r\n", "ff\r\n"+aBody), 400, "invalid_request",
	},
	"a length of 1 TB": {
		rawCreate(asJSON+"Content-Length: 1000000000000\r\n", strings.Repeat(" ", 65<<10)), 413, "body_too_large",
	},
	"chunks without end": {rawCreate(
		asJSON+"Transfer-Encoding: chunked\r\n",
		strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17),
	), 413, "body_too_large"},
	"gzip": {
		rawCreate(
			asJSON+"Content-Encoding: gzip\r\n"+fmt.Sprintf("Content-Length: %d\r\n", len(bomb)),
			bomb,
		),
		415, "unsupported_media_type",
	},
	"gzip that says it is none": {
		rawCreate(asJSON+fmt.Sprintf("Content-Length: %d\r\n", len(bomb)), bomb), 400, "invalid_json",
	},
	"gzip that is none": {
		rawCreate(asJSON+"Content-Encoding: gzip\r\n"+sized, aBody), 415, "unsupported_media_type",
	},
	"identity": {
		rawCreate(asJSON+"Content-Encoding: identity\r\n"+sized, aBody), 415, "unsupported_media_type",
	},
}

// oddMethods are well-formed requests that no client of the API sends.
var oddMethods = map[string]rawCase{
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
	"OPTIONS *": {"OPTIONS * HTTP/1.1\r\nHost: kasse\r\n\r\n", 404, "not_found"},
	"h2c": {
		"GET /v1/config HTTP/1.1\r\nHost: kasse\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
			"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
		200, "",
	},
	"another method by its own header": {
		"POST /v1/config HTTP/1.1\r\nHost: kasse\r\nX-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n",
		405, "method_not_allowed",
	},
}

// rawCreate is a create with these headers and this body.
func rawCreate(header, body string) string {
	return "POST /v1/payments HTTP/1.1\r\n" + asBackend + header + "\r\n" + body
}

var (
	sized   = fmt.Sprintf("Content-Length: %d\r\n", len(aBody))
	chunked = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(aBody), aBody)
	bomb    = gzipBomb() // 64 MB of zeros
)

func gzipBomb() string {
	var packed bytes.Buffer
	squeeze := gzip.NewWriter(&packed)
	_, _ = squeeze.Write(make([]byte, 64<<20))
	_ = squeeze.Close()
	return packed.String()
}

// TestRawRequests: requests that no client sends. If net/http refuses one, the response is its plain text.
func TestRawRequests(t *testing.T) {
	r := run(t, nil)
	tables := []map[string]rawCase{largeRequests, malformedHeads, malformedBodies, oddMethods}
	r.requireHarmless(func() {
		for _, table := range tables {
			for name, test := range table {
				t.Run(name, func(t *testing.T) { r.in(t).checkRaw(test.request, test.status, test.code) })
			}
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

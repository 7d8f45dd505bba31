//go:build linux

package parking

import (
	"bufio"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// readsPath reports whether the Parker reads requests for the path.
func readsPath(path string) bool { return strings.HasPrefix(path, "/v1/") }

const plain = "GET /v1/payments/pi_1?wait=25 HTTP/1.1\r\nHost: kasse:8080\r\n"

// TestPlainRequestsAreRead: the Parker reads plain requests, and leaves all others to http.Server.
func TestPlainRequestsAreRead(t *testing.T) {
	for text, want := range map[string]bool{
		plain + "\r\n": true,
		plain + "authorization: Bearer pi_1_secret_2\r\nIf-None-Match:\t\"1\" \r\nif-none-match: W/\"2\"\r\n\r\n": true,
		plain + "Connection: keep-alive\r\nX-Forwarded-For: 1.2.3.4\r\nEmpty:\r\n\r\n":                            true,
		plain + "Pragma: no-cache\r\nCache-Control: no-cache\r\n\r\n":                                             true,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: [::1]\r\n\r\n":                                                   true,

		plain:                                                                     false,
		plain + "\r\nGET":                                                         false,
		plain + "Host: other\r\n\r\n":                                             false,
		plain + "Content-Length: 0\r\n\r\n":                                       false,
		plain + "content-length: 1\r\n\r\n":                                       false,
		plain + "Transfer-Encoding: x\r\n\r\n":                                    false,
		plain + "Expect: 100-continue\r\n\r\n":                                    false,
		plain + "Upgrade: h2c\r\n\r\n":                                            false,
		plain + "Connection: close\r\n\r\n":                                       false,
		plain + "Pragma: no-cache\r\n\r\n":                                        false,
		plain + " folded\r\n\r\n":                                                 false,
		plain + "X : 1\r\n\r\n":                                                   false,
		plain + ": 1\r\n\r\n":                                                     false,
		plain + "X\r\n\r\n":                                                       false,
		plain + "X: \x00\r\n\r\n":                                                 false,
		plain + "X: é\r\n\r\n":                                                    false,
		plain + "X: 1\n\r\n\r\n":                                                  false,
		"\r\n" + plain + "\r\n":                                                   false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\n\r\n":                                  false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost:\r\n\r\n":                         false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: a b\r\n\r\n":                     false,
		"GET /v1/payments/pi_1 HTTP/1.0\r\nHost: kasse\r\n\r\n":                   false,
		"HEAD /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\n\r\n":                  false,
		"POST /v1/payments HTTP/1.1\r\nHost: kasse\r\n\r\n":                       false,
		"GET  /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\n\r\n":                  false,
		"GET /v1/payments/pi%5F1 HTTP/1.1\r\nHost: kasse\r\n\r\n":                 false,
		"GET /v1/payments/pi_1? HTTP/1.1\r\nHost: kasse\r\n\r\n":                  false,
		"GET /v1/payments/pi_1?a=%20 HTTP/1.1\r\nHost: kasse\r\n\r\n":             false,
		"GET /v1/payments/pi_1#a HTTP/1.1\r\nHost: kasse\r\n\r\n":                 false,
		"GET /other HTTP/1.1\r\nHost: kasse\r\n\r\n":                              false,
		"GET //v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\n\r\n":                  false,
		"GET http://kasse/v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\n\r\n":       false,
		"GET /v1/payments/pi_1 HTTP/1.1\nHost: kasse\n\n":                         false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nX: 1\n\r\n":             false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\n\r\n\r\n":               false,
		"GET /v1/payments/pi_1 HTTP/1.1 HTTP/1.1\r\nHost: kasse\r\n\r\n":          false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nHost: kasse\r\n\r\n":    false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nTrailer: X\r\n\r\n":     false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\n Host: kasse\r\nHost: kasse\r\n\r\n":   false,
		"GET /v1/payments/pi_1\tHTTP/1.1\r\nHost: kasse\r\n\r\n":                  false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nConnection:\r\n\r\n":    false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nX: a\rb\r\n\r\n":        false,
		"GET /v1/payments/pi_1 HTTP/1.1\r\nHost: kasse\r\nConnection: te\r\n\r\n": false,
	} {
		if got := readAsNetHTTP(t, text); got != want {
			t.Errorf("%q: read by the Parker %t, want %t", text, got, want)
		}
	}
}

// FuzzPlainRequests: the Parker reads a request as net/http does, or not at all.
func FuzzPlainRequests(f *testing.F) {
	f.Add(plain + "\r\n")
	f.Add(plain + "X-A: 1\r\nx-a: 2\r\nConnection: keep-alive\r\nPragma: no-cache\r\nCache-Control: x\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) { readAsNetHTTP(t, text) })
}

// readAsNetHTTP reports whether the Parker reads the request. It fails the test if net/http reads another one.
func readAsNetHTTP(t *testing.T, text string) (read bool) {
	t.Helper()
	got := parseRequest(text, readsPath)
	if got == nil {
		return false
	}
	in := bufio.NewReader(strings.NewReader(text))
	want, err := http.ReadRequest(in)
	if err != nil || in.Buffered() > 0 {
		t.Fatalf("%q: %v, %d bytes are left", text, err, in.Buffered())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q\nparsed:   %#v\nnet/http: %#v", text, got, want)
	}
	return true
}

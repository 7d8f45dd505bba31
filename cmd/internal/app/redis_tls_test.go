package app

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"kasse/store/storetest"
)

// TestTLSMismatch: a Redis without TLS behind rediss://, and a server with TLS behind redis://, are
// distinguished from servers that do not answer.
func TestTLSMismatch(t *testing.T) {
	plain, err := url.Parse(storetest.NewServer(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	encrypted := httptest.NewUnstartedServer(http.NotFoundHandler())
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0) // one of the probes uses no TLS
	encrypted.StartTLS()
	t.Cleanup(encrypted.Close)
	withTLS := encrypted.Listener.Addr().String()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	for address, want := range map[string]string{
		"rediss://joe:hunter2@" + plain.Host + "/0":                    "without TLS",
		"rediss://127.0.0.1:1?addr=" + plain.Host + "&master_name=one": "without TLS",
		"redis://" + withTLS:                     "with TLS",
		"redis://127.0.0.1:1/0?addr=" + withTLS:  "with TLS",
		"redis://" + plain.Host:                  "",
		"rediss://" + withTLS:                    "",
		"rediss://127.0.0.1:1":                   "",
		"redis://127.0.0.1:1":                    "",
		"redis://" + mute.Addr().String() + "/0": "",
		"rediss://" + mute.Addr().String():       "",
		"unix:///run/redis.sock":                 "",
	} {
		got := tlsMismatch(t.Context(), address)
		if (want == "") != (got == "") || !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

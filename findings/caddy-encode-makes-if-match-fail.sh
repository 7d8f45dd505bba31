#!/bin/sh
# caddy's compression makes If-Match fail
#
# Guess (28 November A, 45): behind `encode gzip` a service gets the ETag as it has sent it, in If-None-Match
#             and in If-Match.
# Behaviour:  `encode` appends the encoding to the ETag of an answer that it compresses: "7" becomes
#             "7-gzip". It removes that from If-None-Match, and not from If-Match. A service that compares as
#             HTTP asks for refuses the change with 412. To read the order again does not help: the ETag is
#             the same. Without compression the change succeeds.
# Versions:   github.com/caddyserver/caddy/v2 v2.11.9. The first build takes some minutes.
# Matters:    a back office captures and refunds with If-Match, so that no call acts on an old state. Behind
#             Caddy all of that is refused, but only where the view is longer than 512 bytes.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
)

const etag = `"7"`

// order is a service whose order has version 7. A capture needs that version.
func order(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("ETag", etag)
	switch {
	case r.Method == http.MethodGet && r.Header.Get("If-None-Match") == etag:
		w.WriteHeader(http.StatusNotModified)
		return nil
	case r.Method == http.MethodPost && r.Header.Get("If-Match") != etag:
		fmt.Println("  the service gets If-Match:", r.Header.Get("If-Match"))
		w.WriteHeader(http.StatusPreconditionFailed)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, err := fmt.Fprintf(w, `{"state":"authorized","lines":%q}`, strings.Repeat("one line. ", 100))
	return err
}

func main() {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	compress := encode.Encode{EncodingsRaw: caddy.ModuleMap{"gzip": json.RawMessage(`{}`)}}
	if err := compress.Provision(ctx); err != nil {
		panic(err)
	}
	send := func(method, encoding, condition, tag string) *http.Response {
		request := httptest.NewRequest(method, "/v1/payments/pi_1", nil)
		request.Header.Set("Accept-Encoding", encoding)
		if condition != "" {
			request.Header.Set(condition, tag)
		}
		recorder := httptest.NewRecorder()
		request = caddyhttp.PrepareRequest(request, caddy.NewReplacer(), recorder, nil)
		if err := compress.ServeHTTP(recorder, request, caddyhttp.HandlerFunc(order)); err != nil {
			panic(err)
		}
		return recorder.Result()
	}
	for _, encoding := range []string{"identity", "gzip"} {
		tag := send("GET", encoding, "", "").Header.Get("ETag")
		fmt.Printf("%s: the page gets ETag %s\n", encoding, tag)
		fmt.Println("  GET with If-None-Match:", send("GET", encoding, "If-None-Match", tag).StatusCode)
		fmt.Println("  POST with If-Match:", send("POST", encoding, "If-Match", tag).StatusCode)
		again := send("GET", encoding, "", "").Header.Get("ETag")
		fmt.Println("  the same after another GET:", send("POST", encoding, "If-Match", again).StatusCode)
	}
}
END
go_modules github.com/caddyserver/caddy/v2@v2.11.9
./finding >seen
compare <<'END'
identity: the page gets ETag "7"
  GET with If-None-Match: 304
  POST with If-Match: 200
  the same after another GET: 200
gzip: the page gets ETag "7-gzip"
  GET with If-None-Match: 304
  the service gets If-Match: "7-gzip"
  POST with If-Match: 412
  the service gets If-Match: "7-gzip"
  the same after another GET: 412
END

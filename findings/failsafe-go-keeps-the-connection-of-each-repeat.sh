#!/bin/sh
# failsafe-go keeps a connection open for each request that it repeats
#
# Guess (28 November A, 36): a client that repeats a request after a 503 closes that answer first, so it uses
#             one connection again and again.
# Behaviour:  failsafehttp does not close the answer that it repeats. Its connection stays open until the
#             context of the request ends, and without a deadline for as long as both processes run. By
#             default a POST is repeated, too.
# Versions:   github.com/failsafe-go/failsafe-go v0.9.8.
# Matters:    in an outage each call costs two connections more, up to the limit of open files of the backend
#             or of the service. The backend then fails after the outage, too.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
)

// run makes ten calls, and counts the connections. The service answers each third request with 200.
func run(name string, wrap func(http.RoundTripper) http.RoundTripper, tries int) {
	var requests, opened, closed atomic.Int32
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1)%3 != 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"unavailable"}`)
		}
	}))
	service.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
	}
	service.Start()
	client := &http.Client{Transport: wrap(&http.Transport{})}
	for range 10 {
		for range tries {
			answer, err := client.Post(service.URL, "application/json", strings.NewReader(`{"amount":1000}`))
			if err != nil {
				panic(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	fmt.Printf("%s: %d requests, %d connections, %d of them closed\n", name, requests.Load(), opened.Load(), closed.Load())
}

func main() {
	run("repeated by hand", func(t http.RoundTripper) http.RoundTripper { return t }, 3)
	run("repeated by failsafe-go", func(t http.RoundTripper) http.RoundTripper {
		return failsafehttp.NewRoundTripper(t, failsafehttp.NewRetryPolicyBuilder().Build())
	}, 1)
}
END
go_modules github.com/failsafe-go/failsafe-go@v0.9.8
./finding >seen
compare <<'END'
repeated by hand: 30 requests, 1 connections, 0 of them closed
repeated by failsafe-go: 30 requests, 21 connections, 0 of them closed
END

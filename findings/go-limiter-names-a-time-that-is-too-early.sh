#!/bin/sh
# go-limiter names a time in Retry-After at which it still refuses
#
# Guess (28 November A, 37): a caller that waits until the date of Retry-After is served. The date is an
#             HTTP date.
# Behaviour:  the date is cut to the second, so for up to a second the limiter refuses with a date that has
#             passed. The date ends with UTC, where HTTP wants GMT: Go's http.ParseTime refuses it. The
#             documentation calls the header the time at which to retry.
# Versions:   github.com/sethvargo/go-limiter v0.7.1 (httplimit, memorystore).
# Matters:    a client that obeys the date comes too early, and then repeats without a pause until its tries
#             are used up: the date has passed. One that cannot read the date waits for a time of its own.

. "$(dirname "$0")/lib/start.sh"
cat >main.go <<'END'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
)

const interval = 3 * time.Second

func main() {
	store, err := memorystore.New(&memorystore.Config{Tokens: 1, Interval: interval})
	if err != nil {
		panic(err)
	}
	limit, err := httplimit.NewMiddleware(store, httplimit.IPKeyFunc())
	if err != nil {
		panic(err)
	}
	service := httptest.NewServer(limit.Handle(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	ask := func() (status int, retryAfter string) {
		answer, err := http.Get(service.URL)
		if err != nil {
			panic(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode, answer.Header.Get("Retry-After")
	}

	// The interval begins 0.7 s after a whole second.
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1700 * time.Millisecond)))
	status, _ := ask()
	fmt.Println("first request:", status)
	status, retryAfter := ask()
	fmt.Println("second request:", status)
	_, err = http.ParseTime(retryAfter)
	fmt.Println("Retry-After is an HTTP date:", err == nil)
	date, err := time.Parse(time.RFC1123, retryAfter)
	if err != nil {
		panic(err)
	}
	for _, after := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, time.Second} {
		time.Sleep(time.Until(date.Add(after)))
		status, again := ask()
		fmt.Printf("%v after that date: %d, the same date again: %t\n", after, status, again == retryAfter)
	}
}
END
go_modules github.com/sethvargo/go-limiter@v0.7.1
./finding >seen
compare <<'END'
first request: 200
second request: 429
Retry-After is an HTTP date: false
100ms after that date: 429, the same date again: true
300ms after that date: 429, the same date again: true
1s after that date: 200, the same date again: false
END

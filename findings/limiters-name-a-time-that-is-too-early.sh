#!/bin/sh
# go-limiter and koa-ratelimit name a time in Retry-After at which they still refuse
#
# Guess (28 November A, 37 and 72): a caller that waits as long as Retry-After asks for is served.
# Behaviour:  both cut the time down to the second, so for up to a second a caller that obeys is refused.
#             go-limiter refuses it with a date that has passed, koa-ratelimit with Retry-After: 0.
#             go-limiter's date ends with UTC, where HTTP wants GMT: Go's http.ParseTime refuses it. The
#             documentation of go-limiter calls the header the time at which to retry.
# Versions:   github.com/sethvargo/go-limiter v0.7.1 (httplimit, memorystore), koa-ratelimit 6.0.0, koa 3.3.0
#             (npm). express-rate-limit 8.7.5, @fastify/rate-limit 11.2.0 and hono-rate-limiter 0.5.4 round up.
# Matters:    a client that obeys comes too early, and then repeats without a pause until its tries are used
#             up. One that cannot read the date waits for a time of its own.

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
	fmt.Println("go-limiter, first request:", status)
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
npm_packages koa-ratelimit@6.0.0 koa@3.3.0
cat >limit.mjs <<'END'
import { createServer } from 'node:http';
import Koa from 'koa';
import ratelimit from 'koa-ratelimit';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const shop = new Koa().use(ratelimit({ driver: 'memory', db: new Map(), duration: 3000, max: 1 }));
shop.use((context) => { context.body = 'served'; });
const server = createServer(shop.callback()).listen(0, '127.0.0.1', async () => {
  const ask = async () => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}`);
    return { status: response.status, after: response.headers.get('Retry-After') };
  };
  console.log('koa-ratelimit, first request:', (await ask()).status);
  await pause(1400);
  const { status, after } = await ask();
  console.log(`1.4 s later: ${status}, Retry-After ${after}`);
  await pause(after * 1000 + 100);
  const again = await ask();
  console.log(`after that time: ${again.status}, Retry-After ${again.after}`);
  await pause(1000);
  console.log('a second later:', (await ask()).status);
  process.exit();
});
END
{ ./finding; node limit.mjs; } >seen
compare <<'END'
go-limiter, first request: 200
second request: 429
Retry-After is an HTTP date: false
100ms after that date: 429, the same date again: true
300ms after that date: 429, the same date again: true
1s after that date: 200, the same date again: false
koa-ratelimit, first request: 200
1.4 s later: 429, Retry-After 1
after that time: 429, Retry-After 0
a second later: 200
END

package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// flood is a request that is sent until there have been too many.
type flood struct {
	request
	status int // before
	limit  string
	count  int
}

// floods are the kinds of requests, by sender and counter.
func (g *guarded) floods(made opened) map[string]flood {
	payment := "/v1/payments/" + made.PaymentIntent
	create, mint := `{"order_id":"shop-1","amount":4999,"currency":"eur"}`, `{"order_id":"shop-9","amount":1,`+
		`"currency":"eur"}`
	return map[string]flood{
		"key creates": {
			request{line: "POST /v1/payments", token: fullKey, body: create}, 200, "service", perKey,
		},
		"key asks a session": {
			request{line: "POST " + payment + "/customer-session", token: fullKey}, 409, "service", perKey,
		},
		"key mints": {
			request{line: "POST /v1/order-tokens", token: fullKey, body: mint}, 201, "service", perKey,
		},
		"key changes": {
			request{line: "PATCH " + payment, token: fullKey, body: `{"amount":1}`, header: ifMatch(`"1"`)},
			412,
			"service", perKey,
		},
		"key reads": {request{line: "GET " + payment, token: fullKey}, 200, "service", perKey},
		"key looks": {request{line: "HEAD " + payment, token: readKey}, 200, "service", perKey},
		"key pages": {request{line: "GET /v1/events", token: fullKey}, 200, "service", perKey},
		"key sends nonsense": {
			request{line: "POST /v1/payments", token: fullKey, body: `{`, bad: true}, 400, "service", perKey,
		},
		"token creates": {request{line: "POST /v1/payments", token: g.token(nil)}, 200, "frontend", perOrder},
		"token refreshes": {
			request{line: "POST " + payment + "/customer-session", token: g.token(nil)}, 409, "frontend", perOrder,
		},
		"token reads":   {request{line: "GET " + payment, token: g.token(nil)}, 200, "frontend", perOrder},
		"token strays":  {request{line: "GET /v1/orders/shop-9", token: g.token(nil)}, 404, "frontend", perOrder},
		"secret reads":  {request{line: "GET " + payment, token: made.ClientSecret}, 200, "frontend", perOrder},
		"no credential": {request{line: "GET " + payment}, 401, "address", perAddress},
		"unknown key": {
			request{line: "POST /v1/payments", token: unknownKey, body: create}, 401, "address", perAddress,
		},
		"forged token": {
			request{line: "POST /v1/payments", token: g.token(nil) + "x"}, 401, "address", perAddress,
		},
		"guessed secret": {
			request{line: "GET " + payment, token: made.ClientSecret + "x"}, 404, "address", perAddress,
		},
		"secret of nothing": {
			request{line: "GET /v1/payments/pi_nothing", token: "pi_nothing_secret_nothing"},
			404, "address",
			perAddress,
		},
	}
}

var details = map[string]string{
	"service":  fmt.Sprintf("The limit is %d requests with one service key per hour.", perKey),
	"frontend": fmt.Sprintf("The limit is %d requests for one order or payment per hour.", perOrder),
	"address":  fmt.Sprintf("The limit is %d refused credentials from one address per hour.", perAddress),
}

// TestLimits: each kind of request is allowed as often as its limit permits, with decreasing headers. Then it
// is refused before any read, write or call.
func TestLimits(t *testing.T) {
	names := newGuarded(t)
	for name := range names.floods(opened{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t)
			var made opened
			g.send(request{
				line: "POST /v1/payments", token: shopKey,
				body: `{"order_id":"shop-1","amount":4999,"currency":"eur"}`,
			}).into(t, http.StatusCreated, &made)
			f := g.floods(made)[name]
			policy := fmt.Sprintf(`"%s";q=%d;w=3600`, f.limit, f.count)
			for n := 1; n <= f.count; n++ {
				answer := g.send(f.request)
				if answer.status != f.status {
					t.Fatalf("number %d: %d %s, want %d", n, answer.status, answer.body, f.status)
				}
				whole := (3600*n + f.count - 1) / f.count
				g.hasLimit(answer, fmt.Sprintf(`"%s";r=%d;t=%d`, f.limit, f.count-n, whole), policy)
			}
			g.requireHarmless(func() {
				for range 3 {
					answer := g.send(f.request)
					if !strings.HasPrefix(f.line, "HEAD") {
						g.isLimited(answer, details[f.limit])
					}
					g.hasLimit(answer, `"`+f.limit+`";r=0;t=3600`, policy)
				}
			})
		})
	}
}

// TestLimitsPrecedeHeadersAndBody: a request over the limit is refused before its headers and body are checked, and
// after its access.
func TestLimitsPrecedeHeadersAndBody(t *testing.T) {
	g := newGuarded(t)
	for range perKey {
		g.send(request{line: "GET /v1/orders/none", token: readKey})
		g.send(request{line: "POST /v1/order-tokens", token: fullKey, bad: true})
	}
	for code, r := range map[string]request{
		"rate_limited": {
			line: "POST /v1/payments?dry=1", token: fullKey, header: map[string]string{"Content-Encoding": "gzip"},
			body: `{`,
		},
		"insufficient_scope": {line: "POST /v1/payments", token: readKey},
		"invalid_request":    {line: "GET /v1/payments/x", token: readKey},
		"not_found":          {line: "GET /v1/nothing", token: readKey},
		"method_not_allowed": {line: "DELETE /v1/payments", token: readKey},
		"unauthenticated":    {line: "GET /v1/events", token: unknownKey},
	} {
		r.bad = true
		if answer := g.send(r); !strings.Contains(answer.body, `"code":"`+code+`"`) {
			t.Errorf("%s: %s, want %s", r.line, answer.body, code)
		}
	}
}

// TestExpiredTokenHasItsOwnErrorOverTheLimit: an expired token gets token_expired even if its address has used up its
// limit, so that the page fetches a new one.
func TestExpiredTokenHasItsOwnErrorOverTheLimit(t *testing.T) {
	g := newGuarded(t)
	expired := g.token(claims{"iat": g.now.Unix() - 600, "exp": g.now.Unix() - 1})
	for range 3 * perAddress {
		for _, line := range []string{createLine, "GET /v1/orders/shop-1", "POST /v1/payments/pi_1/customer-session"} {
			g.send(request{line: line, token: expired}).says(t, http.StatusUnauthorized, "token_expired")
		}
	}
	g.isLimited(g.send(request{line: createLine, token: expired + "x"}), details["address"])
	g.send(request{line: createLine, token: expired}).says(t, http.StatusUnauthorized, "token_expired")
}

// TestContractIsRevalidated: with its ETag the contract is answered without a body.
func TestContractIsRevalidated(t *testing.T) {
	w := newEnv(t)
	whole := w.send(request{line: "GET /openapi.yaml"})
	tag := whole.header.Get("ETag")
	if whole.status != http.StatusOK || tag == "" || whole.body == "" {
		t.Fatalf("status %d, ETag %q, %d bytes", whole.status, tag, len(whole.body))
	}
	known := map[string]string{"If-None-Match": tag}
	if again := w.send(request{line: "GET /openapi.yaml", header: known}); again.status != http.StatusNotModified ||
		again.body != "" || again.header.Get("ETag") != tag {
		t.Errorf("again: status %d, ETag %q, %d bytes", again.status, again.header.Get("ETag"), len(again.body))
	}
	known["If-None-Match"] = `"another"`
	if other := w.send(request{line: "GET /openapi.yaml", header: known}); other.status != http.StatusOK {
		t.Errorf("with another tag: %d", other.status)
	}
}

// TestContractIsLimited: the contract is the largest public response. Too many requests for it use up no
// other limit.
func TestContractIsLimited(t *testing.T) {
	g := newGuarded(t)
	for n := range perAddress {
		if answer := g.send(request{line: "GET /openapi.yaml"}); answer.status != http.StatusOK {
			t.Errorf("number %d: %d", n, answer.status)
		}
	}
	g.isLimited(
		g.send(request{line: "GET /openapi.yaml"}),
		fmt.Sprintf("The limit is %d requests for the contract from one address per hour.", perAddress),
	)
	if answer := g.send(request{line: "GET /openapi.yaml", header: from("192.0.2.7")}); answer.status != http.StatusOK {
		t.Errorf("another address: %d", answer.status)
	}
	g.send(request{line: createLine, token: unknownKey}).says(t, http.StatusUnauthorized, "unauthenticated")
}

// TestPublicRoutesAreNotLimited: nor is Stripe, whose deliveries come in bursts.
func TestPublicRoutesAreNotLimited(t *testing.T) {
	g := newGuarded(t)
	body := `{"id":"evt_1"}`
	for range 3 * perKey {
		for line, want := range map[string]int{"GET /v1/config": 200, "POST /webhooks/stripe": 400} {
			r := request{line: line}
			if want == 400 {
				r.body, r.header = body, signed(body+"x")
			}
			if answer := g.send(r); answer.status != want || answer.header.Get("RateLimit") != "" {
				t.Fatalf("%s: %d %v", line, answer.status, answer.header)
			}
		}
	}
}

// TestLimitsRefillEvenly: evenly, and no more than there were.
func TestLimitsRefillEvenly(t *testing.T) {
	g := newGuarded(t)
	read := request{line: "GET /v1/orders/none", token: readKey}
	through := func() (n int) {
		for g.send(read).status != http.StatusTooManyRequests {
			n++
		}
		return n
	}
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{0, perKey}, {time.Hour/perKey - 1, 0}, {1, 1}, {3 * time.Hour / perKey, 3}, {24 * time.Hour, perKey}} {
		g.passed.Add(int64(step.pass))
		if got := through(); got != step.want {
			t.Errorf("after %s: %d were let through, want %d", step.pass, got, step.want)
		}
	}
}

func TestWithoutLimitsNoRateLimitHeaders(t *testing.T) {
	w := newEnv(t)
	for range 100 {
		answer := w.send(request{line: "GET /v1/orders/none", token: readKey})
		if answer.status != http.StatusNotFound || answer.header.Get("RateLimit")+answer.header.Get(
			"RateLimit-Policy",
		) != "" {
			t.Fatalf("%d %v", answer.status, answer.header)
		}
	}
}

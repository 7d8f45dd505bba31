package api_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// corsHeaders are the response headers of CORS, except Vary.
func corsHeaders(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			found[short] = strings.Join(values, " | ")
		}
	}
	return found
}

const exposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"

// TestListedOriginsMayRead: every response under /v1 is readable, and no other.
func TestListedOriginsMayRead(t *testing.T) {
	g := newGuarded(t)
	made := g.create("shop-1")
	payment := "/v1/payments/" + made.PaymentIntent
	for range perAddress {
		g.send(request{line: "GET " + payment, header: from("192.0.2.1")})
	}
	tests := []struct {
		request
		status int
		shared bool
	}{
		{request{line: "GET /v1/config"}, 200, true},
		{request{line: "HEAD /v1/config"}, 200, true},
		{request{line: "POST /v1/payments", token: g.token(nil)}, 200, true},
		{request{line: "GET " + payment, token: made.ClientSecret}, 200, true},
		{
			request{line: "GET " + payment, token: made.ClientSecret, header: map[string]string{"If-None-Match": "*"}},
			304, true,
		},
		{request{line: "GET " + payment}, 401, true},
		{request{line: "GET " + payment, header: from("192.0.2.1")}, 429, true},
		{request{line: "GET " + payment, token: made.ClientSecret + "x"}, 404, true},
		{request{line: "GET /v1/payments/x", token: made.ClientSecret}, 400, true},
		{request{line: "POST /v1/payments", token: readKey, body: order}, 403, true},
		{request{line: "POST /v1/payments", token: fullKey, body: `{`}, 400, true},
		{request{line: "GET /v1"}, 404, true},
		{request{line: "GET /v1/"}, 404, true},
		{request{line: "GET /v1//config"}, 404, true},
		{request{line: "GET /v1/nothing"}, 404, true},
		{request{line: "DELETE /v1/config"}, 405, true},
		{request{line: "OPTIONS /v1/config"}, 405, true}, // of no preflight
		{request{line: "GET /openapi.yaml"}, 200, false},
		{request{line: "POST /webhooks/stripe", body: `{}`, header: signed("x")}, 400, false},
		{request{line: "GET /"}, 404, false},
		{request{line: "GET /v10/config"}, 404, false},
		{request{line: "GET /V1/config"}, 404, false},
		{request{line: "GET /livez"}, 404, false},
	}
	for _, test := range tests {
		test.bad = true
		header := map[string]string{"Origin": shopOrigin}
		maps.Copy(header, test.header)
		test.header = header
		answer := g.send(test.request)
		found, vary := corsHeaders(answer.header), strings.Join(answer.header.Values("Vary"), ", ")
		if answer.status != test.status {
			t.Errorf("%s: %d %s, want %d", test.line, answer.status, answer.body, test.status)
		}
		want := map[bool]string{true: shopOrigin + " " + exposed, false: " "}[test.shared]
		if got := found["Allow-Origin"] + " " + found["Expose-Headers"]; got != want || len(found) > 2 {
			t.Errorf("%s: the answer %d has %v", test.line, answer.status, found)
		}
		if strings.Contains(vary, "Origin") != test.shared {
			t.Errorf("%s: Vary is %q", test.line, vary)
		}
	}
}

// unlistedOrigins are not listed, though some look so.
var unlistedOrigins = []string{
	"", "null", "*", "https://evil.example", "http://shop.example", "https://shop.example:443",
	"https://shop.example:8443",
	"https://shop.example/", "https://shop.example.", "https://SHOP.example", "HTTPS://shop.example",
	"https://www.shop.example",
	"https://shop.example.evil.example", "https://evilshop.example", "https://shop.example@evil.example",
	"https://evil.example#https://shop.example",
	"https://evil.example?https://shop.example", "https://evil.example?.shop.example", "https://shop.exampl",
	"https://shop.examplee", "shop.example",
	"//shop.example", "https://shop.example https://evil.example", "https://evil.example, https://shop.example",
	"https://shop.example\t",
	"https://shop.example%00", "https://xn--shop-9pa.example", "https://shöp.example", "http://localhost",
	"http://localhost:51730", "http://127.0.0.1:5173",
	"capacitor://localhost:80", "file://", "chrome-extension://abcdefghijklmnop",
}

// TestUnlistedOriginsGetNoCORSHeaders: CORS guards what pages may read, and stops no request.
func TestUnlistedOriginsGetNoCORSHeaders(t *testing.T) {
	g := newGuarded(t)
	made := g.create("shop-1")
	for _, origin := range unlistedOrigins {
		g.passed.Add(int64(time.Hour)) // who has no credential is limited too
		origin = strings.TrimSuffix(origin, "\t") + strings.Repeat("x", strings.Count(origin, "\t"))
		for line, want := range map[string]int{
			"GET /v1/config": 200, "GET /v1/payments/" + made.PaymentIntent: 401, "OPTIONS /v1/payments": 403,
		} {
			answer := g.send(request{
				line: line, bad: true,
				header: map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"},
			})
			if found := corsHeaders(answer.header); answer.status != want || len(found) > 0 {
				t.Errorf("%q: %s: %d %v", origin, line, answer.status, found)
			}
			if !strings.Contains(answer.header.Get("Vary"), "Origin") {
				t.Errorf("%q: %s: Vary is %q", origin, line, answer.header.Get("Vary"))
			}
		}
	}
	if answer := g.send(request{line: "GET /v1/config"}); answer.status != 200 || len(corsHeaders(answer.header)) > 0 ||
		answer.header.Get("Vary") != "Origin" {
		t.Errorf("without an origin: %d %v", answer.status, answer.header)
	}
}

// TestPreflightOfUnlistedOriginNamesTheSetting: the origin and the setting are named, in the answer and once in
// the log. Made-up origins do not fill the log.
func TestPreflightOfUnlistedOriginNamesTheSetting(t *testing.T) {
	g := newGuarded(t)
	preflight := func(origin string) reply {
		header := map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST"}
		return g.send(
			request{line: "OPTIONS /v1/payments", bad: true, header: header},
		).says(t, http.StatusForbidden, "origin_not_allowed")
	}
	for range 3 {
		for _, origin := range []string{"https://www.shop.example", "null", "http://localhost:3000"} {
			answer := preflight(origin)
			var problem struct{ Detail string }
			answer.into(t, http.StatusForbidden, &problem)
			if !strings.Contains(
				problem.Detail, `"`+origin+`" is not listed in CORS_ALLOWED_ORIGINS`,
			) || answer.header.Get("Allow") != "" {
				t.Errorf("%s: %s %v", origin, answer.body, answer.header)
			}
		}
	}
	if lines := strings.Count(g.logs.String(), "CORS_ALLOWED_ORIGINS"); lines != 3 || !strings.Contains(
		g.logs.String(), `"origin":"https://www.shop.example"`,
	) {
		t.Errorf("the log has %d lines: %s", lines, g.logs)
	}
	for n := range 200 {
		preflight("https://" + strings.Repeat("x", 2000) + strconv.Itoa(n) + ".example")
		preflight("https://" + strconv.Itoa(n) + ".example")
	}
	if lines := strings.Count(g.logs.String(), "CORS_ALLOWED_ORIGINS"); lines != 100 {
		t.Errorf("the log has %d lines", lines)
	}
	without := map[string]string{"Access-Control-Request-Method": "POST"}
	g.send(
		request{line: "OPTIONS /v1/payments", bad: true, header: without},
	).says(t, http.StatusMethodNotAllowed, "method_not_allowed")
}

func TestSeveralOriginsAreRefused(t *testing.T) {
	g := newGuarded(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.api.URL+"/v1/config", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Origin"] = []string{shopOrigin, shopOrigin}
	res, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if found := corsHeaders(res.Header); len(found) > 0 {
		t.Errorf("the answer has %v", found)
	}
}

// TestPreflight: a route allows every listed origin before any credential check. A path without a route
// refuses.
func TestPreflight(t *testing.T) {
	g := newGuarded(t)
	tests := map[string]struct {
		line, origin, method string
		yes                  bool
	}{
		"create":        {"OPTIONS /v1/payments", shopOrigin, "POST", true},
		"read":          {"OPTIONS /v1/payments/pi_1", shopOrigin, "GET", true},
		"session":       {"OPTIONS /v1/payments/pi_1/customer-session", shopOrigin, "POST", true},
		"order":         {"OPTIONS /v1/orders/shop-1", shopOrigin, "GET", true},
		"config":        {"OPTIONS /v1/config", "http://localhost:5173", "GET", true},
		"an app's page": {"OPTIONS /v1/payments", "capacitor://localhost", "POST", true},
		"another method": {
			"OPTIONS /v1/payments/pi_1", shopOrigin, "PATCH", true,
		}, // the browser sees that it is not among ours
		"the webhook":           {"OPTIONS /webhooks/stripe", shopOrigin, "POST", false},
		"the contract":          {"OPTIONS /openapi.yaml", shopOrigin, "GET", false},
		"no route":              {"OPTIONS /v1/nothing", shopOrigin, "GET", false},
		"a slash more":          {"OPTIONS /v1/payments/", shopOrigin, "POST", false},
		"no preflight":          {"OPTIONS /v1/payments", shopOrigin, "", false},
		"no method of a page's": {"GET /v1/nothing", shopOrigin, "POST", false},
	}
	g.requireHarmless(func() {
		for name, test := range tests {
			header := map[string]string{
				"Origin": test.origin, "Access-Control-Request-Headers": "authorization,content-type,x-evil",
			}
			if test.method != "" {
				header["Access-Control-Request-Method"] = test.method
			}
			g.checkPreflight(name, test.line, header, test.yes)
		}
	})
}

func (g *guarded) checkPreflight(name, line string, header map[string]string, yes bool) {
	g.t.Helper()
	_, path, _ := strings.Cut(line, " ")
	method, _, _ := strings.Cut(line, " ")
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.api.URL+path, http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r) // the contract has no preflights
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	found := corsHeaders(res.Header)
	want := map[string]string{
		"Allow-Origin": header["Origin"], "Expose-Headers": exposed, "Allow-Methods": "GET, POST", "Max-Age": "7200",
		"Allow-Headers": "Authorization, Content-Type, If-None-Match, Idempotency-Key, traceparent",
	}
	if !yes {
		if found["Allow-Methods"]+found["Allow-Headers"]+found["Max-Age"] != "" || res.StatusCode < 400 {
			g.t.Errorf("%s: %d %v", name, res.StatusCode, found)
		}
		return
	}
	if res.StatusCode != http.StatusNoContent || len(found) != len(want) || res.Header.Get("Vary") != "Origin" ||
		res.Header.Get("X-Request-Id") == "" {
		g.t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
	}
	for key, value := range want {
		if found[key] != value {
			g.t.Errorf("%s: %s is %q, want %q", name, key, found[key], value)
		}
	}
}

package console

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	testKey    = "ksk_test_key_of_the_console_0000000000000"
	testSecret = "whsec_a2Fzc2UtZGV2LWthc3NlLWRldi1rYXNzZS1kZXYta2Fzc2U="
)

// fakes answers with fixed texts in place of Kasse and the simulator, and records the requests as "METHOD
// path body".
type fakes struct {
	server  *httptest.Server
	answers map[string]string
	asked   chan string
}

// start makes a console with fixed responses. The browser tests use the real Kasse and simulator.
func start(t *testing.T, answers map[string]string) (http.Handler, *fakes) {
	t.Helper()
	f := &fakes{answers: answers, asked: make(chan string, 100)}
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.asked <- strings.TrimSpace(r.Method + " " + r.URL.Path + " " + string(body))
		text, known := f.answers[r.Method+" "+r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(f.server.Close)
	c := New(Options{
		Kasse: f.server.URL, Control: f.server.URL, Shop: "http://127.0.0.1:8091", Key: testKey, PushSecret: testSecret,
		Service: "kasse", Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	handler, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return handler, f
}

// send sends a request to 127.0.0.1:8092, with headers given as alternating names and values.
func send(handler http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // a stream does not end by itself
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8092"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// TestOtherOriginsCannotUseTheConsole: another site's page in the developer's browser cannot move payments.
func TestOtherOriginsCannotUseTheConsole(t *testing.T) {
	handler, f := start(t, map[string]string{"POST /faults": "{}", "DELETE /faults": "{}"})
	const asJSON, path = "application/json", "/api/actions/stripe-down"
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"its own page":          {[]string{"Content-Type", asJSON, "Sec-Fetch-Site", "same-origin"}, 200},
		"its own page, old":     {[]string{"Content-Type", asJSON, "Origin", "http://127.0.0.1:8092"}, 200},
		"a script of the shell": {[]string{"Content-Type", asJSON}, 200},
		"localhost":             {[]string{"Content-Type", asJSON, "Host", "localhost:8092"}, 200},
		"IPv6":                  {[]string{"Content-Type", asJSON, "Host", "[::1]:8092"}, 200},
		"another site":          {[]string{"Content-Type", asJSON, "Sec-Fetch-Site", "cross-site"}, 403},
		"another port":          {[]string{"Content-Type", asJSON, "Sec-Fetch-Site", "same-site"}, 403},
		"another origin, old":   {[]string{"Content-Type", asJSON, "Origin", "http://127.0.0.1:8091"}, 403},
		"a form":                {[]string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 415},
		"no type":               {nil, 415},
		"a name, rebound by DNS": {
			[]string{"Content-Type", asJSON, "Host", "evil.example:8092", "Sec-Fetch-Site", "same-origin"}, 421,
		},
		"a name that looks local": {[]string{"Content-Type", asJSON, "Host", "localhost.evil.example"}, 421},
	} {
		if got := send(handler, "POST", path, "{}", c.headers...).Code; got != c.want {
			t.Errorf("%s: %d instead of %d", name, got, c.want)
		}
	}
	if n := len(f.asked); n != 5 {
		t.Errorf("the simulator was asked %d times, 5 were allowed", n)
	}
	for _, path := range []string{"/", "/api/orders", "/api/changes", "/push"} {
		if got := send(handler, "GET", path, "", "Host", "evil.example").Code; got != http.StatusMisdirectedRequest {
			t.Errorf("GET %s under another name: %d", path, got)
		}
	}
}

// TestPageIsLockedDown: the page may only load from and connect to its own origin.
func TestPageIsLockedDown(t *testing.T) {
	handler, _ := start(t, nil)
	page := send(handler, "GET", "/", "")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "<main") {
		t.Fatalf("the page answered %d", page.Code)
	}
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if got := page.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestPushesAreVerified(t *testing.T) {
	handler, _ := start(t, map[string]string{
		"GET /v1/orders/o-1": `{"order_id":"o-1","closed":false,"payment":null,"superseded":[]}`,
	})
	const body = `{"id":"pi_1.2","type":"order.paid","data":{"order_id":"o-1","payment_intent":"pi_1"}}`
	verifier, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := verifier.Sign("pi_1.2", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	signed := []string{
		"webhook-id", "pi_1.2", "webhook-timestamp", unixTime(now), "webhook-signature", signature,
	}
	if got := send(handler, "POST", "/push", body, signed...).Code; got != http.StatusNoContent {
		t.Errorf("a signed push: %d", got)
	}
	if got := send(handler, "POST", "/push", strings.Replace(body, "paid", "held", 1), signed...).Code; got != 400 {
		t.Errorf("a push that was changed: %d", got)
	}
	shown := send(handler, "GET", "/api/orders/o-1", "").Body.String()
	if strings.Count(shown, `"kind":"push"`) != 1 || !strings.Contains(shown, `"title":"order.paid"`) {
		t.Errorf("the order is %s", shown)
	}
}

func unixTime(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// TestEveryButtonHasAnAction: the page's buttons and the actions are the same.
func TestEveryButtonHasAnAction(t *testing.T) {
	page, err := pageFiles.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	var buttons, want []string
	marked := regexp.MustCompile(`data-(?:action|world)="([a-z-]+)"`)
	for _, match := range marked.FindAllStringSubmatch(string(page), -1) {
		buttons = append(buttons, match[1])
	}
	for _, a := range actions {
		want = append(want, a.name)
	}
	want = append(slices.AppendSeq(want, maps.Keys(worldActions)), "order", "order-later")
	slices.Sort(buttons)
	slices.Sort(want)
	if !slices.Equal(buttons, want) {
		t.Errorf("the page has the buttons\n%q, there are the actions\n%q", buttons, want)
	}
}

const view = `{"payment_intent":"pi_1","order_id":"o:1","attempt":2,"status":"succeeded","state":"paid",` +
	`"currency":"eur",` +
	`"amount":4200,"amount_received":4200,"created_at":"2026-11-28T03:45:59Z","version":1795837559980}`

func orderWith(payment string) map[string]string {
	return map[string]string{
		"GET /v1/orders/o:1":            `{"order_id":"o:1","payment":` + payment + `,"superseded":[]}`,
		"GET /v1/payments/pi_1/history": `{"history":[]}`,
		"POST /payments/pi_1/refund":    `{"id":"re_1"}`,
		"GET /v1/payments/pi_1/refunds": `{"refunds":[{"id":"re_2","status":"failed"},{"id":"re_1",` +
			`"status":"succeeded"}]}`,
		"POST /refunds/re_1":              `{"done":true}`,
		"POST /disputes/dp_1":             `{"done":true}`,
		"POST /payments/pi_1/next_events": `{"done":true}`,
	}
}

// TestActionsCallTheSimulator: each button sends the right control request.
func TestActionsCallTheSimulator(t *testing.T) {
	const refund = "POST /payments/pi_1/refund "
	with := func(member string) string { return strings.TrimSuffix(view, "}") + "," + member + "}" }
	for name, c := range map[string]struct {
		action, payment string
		status          int
		asked           string
	}{
		"half":           {"refund-part", view, 200, refund + `{"amount":2100}`},
		"half of a rest": {"refund-part", with(`"amount_refunded":3899`), 200, refund + `{"amount":100}`},
		"half of a cent": {"refund-part", with(`"amount_refunded":4199`), 200, refund + `{"amount":1}`},
		"all given back": {"refund", with(`"amount_refunded":4200`), 409, ""},
		"a failed refund": {
			"refund-fails", with(`"amount_refunded":100`), 200,
			`POST /refunds/re_1 {"status":"failed"}`,
		},
		"not in a dispute": {"dispute-won", view, 409, ""},
		"first appeal": {
			"appeal", with(`"dispute":{"id":"dp_1","status":"lost"}`), 200,
			`POST /disputes/dp_1 {"status":"appeal_needs_response"}`,
		},
		"second appeal": {
			"appeal", with(`"dispute":{"id":"dp_1","status":"appeal_needs_response"}`), 200,
			`POST /disputes/dp_1 {"status":"appeal_under_review"}`,
		},
		"late":            {"delay", view, 200, `POST /payments/pi_1/next_events {"delay":"10s","delivery":"late"}`},
		"no event yet":    {"resend", view, 409, ""},
		"refused":         {"review", view, 404, `POST /payments/pi_1/review {"reason":"rule"}`},
		"unknown":         {"burn", view, 404, ""},
		"too many days":   {"pass", view, 400, ""},
		"without payment": {"lose", "null", 409, ""},
	} {
		t.Run(name, func(t *testing.T) {
			handler, f := start(t, orderWith(c.payment))
			const body = `{"order_id":"o:1"}`
			got := send(handler, "POST", "/api/actions/"+c.action, body, "Content-Type", "application/json")
			if got.Code != c.status {
				t.Errorf("the answer is %d %s", got.Code, got.Body)
			}
			last := ""
			for len(f.asked) > 0 {
				if asked := <-f.asked; strings.HasPrefix(asked, "POST") {
					last = asked
				}
			}
			if last != c.asked {
				t.Errorf("it asked for %q", last)
			}
		})
	}
}

// TestRealStripeHasNoButtons: with -real the page offers no action.
func TestRealStripeHasNoButtons(t *testing.T) {
	_, f := start(t, orderWith(view))
	c := New(Options{Kasse: f.server.URL, Key: testKey, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	handler, err := c.Handler()
	if err != nil {
		t.Fatal(err)
	}
	if got := send(handler, "GET", "/api/world", "").Body.String(); !strings.Contains(got, `"simulated":false`) {
		t.Errorf("the world is %s", got)
	}
	if got := send(handler, "GET", "/api/orders/o:1", "").Body.String(); !strings.Contains(got, `"actions":[]`) {
		t.Errorf("the order is %s", got)
	}
	if got := send(handler, "POST", "/api/actions/pay", "{}", "Content-Type", "application/json").Code; got != 409 {
		t.Errorf("a button answered %d", got)
	}
}

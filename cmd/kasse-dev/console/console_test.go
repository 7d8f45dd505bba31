package console

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// fakes answers for Kasse and the simulator with fixed texts, and keeps what it was asked, as "METHOD path body".
type fakes struct {
	server  *httptest.Server
	answers map[string]string
	asked   chan string
}

// start makes a console in front of fixed answers. The browser tests have the real Kasse and the real simulator.
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

// send asks the console at 127.0.0.1:8092, with headers given as name and value in turn.
func send(handler http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
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

// TestOtherPagesCannotPress: another site's page runs in the developer's browser, too, and must not move payments.
func TestOtherPagesCannotPress(t *testing.T) {
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

// TestPageIsLockedDown: the page may load and reach its own origin only.
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

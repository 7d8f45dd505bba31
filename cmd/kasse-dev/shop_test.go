package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// visit sends a request to a shop without Kasse, and returns the response and the log.
func visit(t *testing.T, w *stack, path string) (answer *httptest.ResponseRecorder, log string) {
	t.Helper()
	var lines bytes.Buffer
	pages, err := newShop(w, slog.New(slog.NewTextHandler(&lines, nil))).handler()
	if err != nil {
		t.Fatal(err)
	}
	answer = httptest.NewRecorder()
	pages.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer, lines.String()
}

// TestReturnURLStaysSecret: Stripe's return URL contains a client secret. It reaches no other site and no
// log.
func TestReturnURLStaysSecret(t *testing.T) {
	answer, log := visit(t, &stack{stripe: "http://127.0.0.1:1"},
		"/return?order=7&payment_intent_client_secret=pi_1_secret_2")
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "<main") {
		t.Errorf("the return page answered %d", answer.Code)
	}
	if policy := answer.Header().Get("Referrer-Policy"); policy != "no-referrer" {
		t.Errorf("Referrer-Policy is %q", policy)
	}
	if !strings.Contains(log, "path=/return") || strings.Contains(log, "secret") {
		t.Errorf("the log says %s", log)
	}
}

// TestPolicyAllowsOnlyWhatIsNeeded: the page may run its own scripts and Stripe.js (offline: the
// simulator's), and connect to Kasse and Stripe.
func TestPolicyAllowsOnlyWhatIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		stripe, scripts, styles, frames string
	}{
		"simulated": {"http://127.0.0.1:12111", "http://127.0.0.1:12111", "'self'", "http://127.0.0.1:12111"},
		"real": {
			realStripe, "https://js.stripe.com https://*.js.stripe.com", "'self'; style-src-attr 'unsafe-inline'",
			"https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com",
		},
	} {
		w := &stack{kasse: "http://127.0.0.1:8080", stripe: test.stripe}
		answer, _ := visit(t, w, "/checkout")
		want := "default-src 'none'; script-src 'self' " + test.scripts + "; style-src " + test.styles +
			"; img-src 'self'; connect-src 'self' " + w.kasse + " " + test.stripe +
			"; frame-src " + test.frames + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if got := answer.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: the policy is\n%s, want\n%s", name, got, want)
		}
	}
}

// TestDocsAreServed: the API's page has its own policy, without scripts.
func TestDocsAreServed(t *testing.T) {
	answer, _ := visit(t, &stack{}, "/docs")
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "POST /v1/payments") {
		t.Errorf("/docs answered %d", answer.Code)
	}
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.HasPrefix(
		policy, "default-src 'none'; style-src 'unsafe-inline'",
	) {
		t.Errorf("its policy is %q", policy)
	}
}

// TestDocsWithASlash: the address with a slash at its end leads to the page.
func TestDocsWithASlash(t *testing.T) {
	answer, _ := visit(t, &stack{}, "/docs/")
	if got := answer.Header().Get("Location"); answer.Code != http.StatusMovedPermanently || got != "/docs" {
		t.Errorf("/docs/ answered %d to %q", answer.Code, got)
	}
}

// TestStripeJSComesFromStripe: with -real the same page loads Stripe's script.
func TestStripeJSComesFromStripe(t *testing.T) {
	w := &stack{}
	if _, err := w.startStripe(t.Context(), options{real: true}, nil); err != nil {
		t.Fatal(err)
	}
	w.kasse = "http://127.0.0.1:8080"
	answer, _ := visit(t, w, "/api/config")
	if got := strings.TrimSpace(
		answer.Body.String(),
	); got != `{"kasse":"http://127.0.0.1:8080","stripe_js":"https://js.stripe.com/endive/stripe.js"}` {
		t.Errorf("the page gets %s", got)
	}
}

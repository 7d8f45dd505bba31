package stripesim_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
)

// postForm posts a form with an idempotency key, without the SDK, so that status, headers and bytes can be
// compared.
func (b *bench) postForm(key, path, form string) (*http.Response, string) {
	b.t.Helper()
	req := must(http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form)))(b.t)
	req.Header.Set("Authorization", "Bearer "+secretKey)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Idempotency-Key", key)
	res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(b.t)
	body := must(io.ReadAll(res.Body))(b.t)
	_ = res.Body.Close()
	return res, string(body)
}

const (
	intents = "/v1/payment_intents"
	terms   = "amount=2000&currency=eur"
)

// TestIdempotencyKeyReplays: a key repeats its response for a day, and only for the same parameters.
func TestIdempotencyKeyReplays(t *testing.T) {
	b := start(t, stripesim.Options{})
	first, body := b.postForm("k1", intents, terms)
	expect(t, "original request", first.Header.Get("Original-Request"), first.Header.Get("Request-Id"))
	expect(t, "key", first.Header.Get("Idempotency-Key"), "k1")
	expect(t, "replayed", first.Header.Get("Idempotent-Replayed"), "")

	again, same := b.postForm("k1", intents, "currency=eur&amount=2000")
	expect(t, "body", same, body)
	expect(t, "replayed", again.Header.Get("Idempotent-Replayed"), "true")
	expect(t, "original request", again.Header.Get("Original-Request"), first.Header.Get("Request-Id"))

	changed, body := b.postForm("k1", intents, "amount=2001&currency=eur")
	expect(t, "http status", changed.StatusCode, http.StatusBadRequest)
	contains(t, body, `"type": "idempotency_error"`)

	b.Advance(24 * time.Hour)
	expired, _ := b.postForm("k1", intents, "amount=2001&currency=eur")
	expect(t, "http status after a day", expired.StatusCode, http.StatusOK)
	expect(t, "requests", b.Count("POST "+intents), 4)
}

// TestIdempotencyKeySavesFailuresOfTheWorkOnly: a key repeats an error of the work, and not one of the parameters.
func TestIdempotencyKeySavesFailuresOfTheWorkOnly(t *testing.T) {
	b := start(t, stripesim.Options{})
	if err := b.AddFault(stripesim.Fault{Endpoint: "POST " + intents, Kind: stripesim.ServerError}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, _ := b.postForm("broken", intents, terms)
		expect(t, "http status", res.StatusCode, http.StatusInternalServerError)
	}
	wrong, _ := b.postForm("typo", intents, "amount=2000&currency=eur&colour=red")
	expect(t, "http status of a typo", wrong.StatusCode, http.StatusBadRequest)
	right, _ := b.postForm("typo", intents, terms)
	expect(t, "http status of the corrected form", right.StatusCode, http.StatusOK)

	_, card := b.postForm("declined", intents,
		terms+"&confirm=true&payment_method=pm_card_chargeDeclined&payment_method_types[]=card")
	replay, same := b.postForm("declined", intents,
		terms+"&confirm=true&payment_method=pm_card_chargeDeclined&payment_method_types[]=card")
	expect(t, "declined body", same, card)
	expect(t, "replayed", replay.Header.Get("Idempotent-Replayed"), "true")
}

func TestIdempotencyKeyInUse(t *testing.T) {
	b := start(t, stripesim.Options{})
	if err := b.SetLatency("POST "+intents, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	finished := make(chan int)
	go func() {
		res, _ := b.postForm("twice", intents, terms)
		finished <- res.StatusCode
	}()
	for b.Count("POST "+intents) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	res, body := b.postForm("twice", intents, terms)
	expect(t, "http status", res.StatusCode, http.StatusConflict)
	contains(t, body, "idempotency_key_in_use")
	expect(t, "http status of the first", <-finished, http.StatusOK)
}

func contains(t *testing.T, body, want string) {
	t.Helper()
	if !strings.Contains(body, want) {
		t.Errorf("%q is not in\n%s", want, body)
	}
}

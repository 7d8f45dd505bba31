package kasse_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	kasse "kasse/clients/go"
)

const (
	newSecret = "whsec_a2Fzc2Uga2Fzc2Uga2Fzc2Uga2Fzc2Uga2Fzc2U="
	oldSecret = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG9sZA=="
)

const pushed = `{"id":"pi_1.7","type":"order.paid","data":{"order_id":"o1","state":"paid","version":7}}`

// push is a request as Kasse makes it, signed at a time with a secret.
func push(t *testing.T, secret string, at time.Time) *http.Request {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign("pi_1.7", at, []byte(pushed))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/kasse/events", strings.NewReader(pushed))
	r.Header.Set("webhook-id", "pi_1.7")
	r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("webhook-signature", signature)
	return r
}

func TestVerifier(t *testing.T) {
	verifier, err := kasse.NewVerifier(newSecret, oldSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, secret := range []string{newSecret, oldSecret} {
		event, err := verifier.Event(push(t, secret, now))
		if err != nil || event.Type != "order.paid" || event.Data.OrderID != "o1" {
			t.Errorf("signed with %s: %v, %v", secret, event, err)
		}
	}
	another := push(t, newSecret, now)
	another.Header.Set("webhook-id", "pi_2.7")
	unsigned := push(t, newSecret, now)
	unsigned.Header.Del("webhook-signature")
	changed := push(t, newSecret, now)
	changed.Body = http.NoBody
	for name, r := range map[string]*http.Request{
		"other secret": push(t, "whsec_Zm9yZ2VkIGZvcmdlZCBmb3JnZWQgZm9yZ2VkIGZvcmdlZA==", now),
		"too old":      push(t, newSecret, now.Add(-6*time.Minute)),
		"too new":      push(t, newSecret, now.Add(6*time.Minute)),
		"another id":   another, "unsigned": unsigned, "another body": changed,
	} {
		if event, err := verifier.Event(r); !errors.Is(err, kasse.ErrNotSigned) {
			t.Errorf("%s: %v, %v", name, event, err)
		}
	}
}

func TestVerifierNeedsSecret(t *testing.T) {
	for _, secrets := range [][]string{
		nil, {""}, {"whsec_"}, {"whsec_hunter2"}, {"whsec_aHVudGVyMg=="}, {newSecret, "hunter2"},
	} {
		if _, err := kasse.NewVerifier(secrets...); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("NewVerifier(%q) gives %v", secrets, err)
		}
	}
}

package app

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kasse/api"
)

// TestIssuerOfTheConfiguration: the configured issuer verifies tokens, and the start does not wait for its
// keys.
func TestIssuerOfTheConfiguration(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	there := make(chan struct{})
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-there
		_, _ = fmt.Fprintf(
			w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":%q}]}`,
			base64.RawURLEncoding.EncodeToString(public),
		)
	}))
	t.Cleanup(issuer.Close)
	r := runAs(t, func(c *Config) {
		c.OrderTokens = api.Tokens{Audience: "kasse", Issuer: "https://login.shop.example", Now: time.Now}
		c.IssuerKeysURL = issuer.URL
	}, nil)
	if status := r.get(r.public, "/v1/config"); status != http.StatusOK {
		t.Errorf("while it waits for the issuer it answers %d", status)
	}
	close(there)

	now := time.Now().Unix()
	text := base64.RawURLEncoding.EncodeToString(
		[]byte(`{"alg":"EdDSA","kid":"ed"}`),
	) + "." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil,
		`{"iss":"https://login.shop.example","aud":"kasse","iat":%d,"exp":%d,"order_id":"shop-1","amount":4999,`+
			`"currency":"eur"}`,
		now, now+
			600))
	token := text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(text)))
	request, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, "http://"+r.public+"/v1/payments", http.NoBody,
	)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated || !strings.Contains(string(body), `"amount":4999`) {
		t.Errorf("%d %s, %v", response.StatusCode, body, err)
	}
	if got := asked.Load(); got != 1 {
		t.Errorf("the issuer was asked %d times", got)
	}
}

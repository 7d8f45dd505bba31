package push_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/service/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	current  = secretOf('c')
	previous = secretOf('p')
)

// secretText is a secret as in the configuration.
type secretText string

// Reveal returns the secret.
func (s secretText) Reveal() string { return string(s) }

func secretOf(letter byte) secretText {
	return secretText("whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(letter), 32))))
}

var event = payment.FeedEvent{
	ID: "pi_1.1795435291733", Type: "order.paid", CreatedAt: time.Date(2026, 11, 23, 12, 1, 31, 0, time.UTC),
	Data: json.RawMessage(`{"payment_intent":"pi_1","order_id":"shop-1","metadata":{"a":"<b>"}}`),
}

// receiver is a backend's endpoint. It records requests.
type receiver struct {
	*httptest.Server
	requests chan *http.Request
	bodies   chan string
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{requests: make(chan *http.Request, 10), bodies: make(chan string, 10)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.requests <- request
		r.bodies <- string(body)
		answer(w, request)
	}))
	t.Cleanup(r.Close)
	return r
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func endpoint(t *testing.T, url string, secrets ...push.Secret) *push.Endpoint {
	t.Helper()
	if len(secrets) == 0 {
		secrets = []push.Secret{current}
	}
	e, err := push.New(push.Options{URL: secretText(url), Secrets: secrets, AllowPrivate: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// TestEverySecretSigns: the standard's own library verifies with either secret, and with no other.
func TestEverySecretSigns(t *testing.T) {
	r := receive(t, status(http.StatusNoContent))
	status, err := endpoint(t, r.URL, current, previous).Push(t.Context(), event)
	if status != http.StatusNoContent || err != nil {
		t.Fatalf("got status %d, %v", status, err)
	}
	request, body := <-r.requests, <-r.bodies
	for secret, good := range map[secretText]bool{current: true, previous: true, secretOf('x'): false} {
		verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify([]byte(body), request.Header); (err == nil) != good {
			t.Errorf("the signature is verified: %t, want %t; %v", err == nil, good, err)
		}
		if verifier.Verify([]byte(body+" "), request.Header) == nil {
			t.Error("the signature of another body is verified")
		}
	}
	for name, want := range map[string]string{"Webhook-Id": event.ID, "Content-Type": "application/json"} {
		if got := request.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	const want = `{"id":"pi_1.1795435291733","type":"order.paid","created_at":"2026-11-23T12:01:31Z",` +
		`"restored":false,` +
		`"data":{"payment_intent":"pi_1","order_id":"shop-1","metadata":{"a":"<b>"}},` +
		`"timestamp":"2026-11-23T12:01:31Z","truncated":false}`
	if body != want {
		t.Errorf("the body is %s", body)
	}
}

// TestOnly2xxIsSuccess: any 2xx is success. Any other status is a failure whose text does not contain the
// URL.
func TestOnly2xxIsSuccess(t *testing.T) {
	const hidden = "/hunter2?token=hunter2"
	for code, good := range map[int]bool{
		200: true, 201: true, 204: true, 299: true, 301: false, 304: false, 307: false, 400: false, 404: false,
		410: false, 429: false, 500: false, 503: false,
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(code)
		})
		e := endpoint(t, r.URL+hidden)
		status, err := e.Push(t.Context(), event)
		if len(r.requests) != 1 || status != code {
			t.Errorf("%d: %d requests, status %d", code, len(r.requests), status)
		}
		var f *push.Failure
		if good && err != nil || !good && !errors.As(err, &f) {
			t.Errorf("status %d: got error %v", code, err)
		}
		if f != nil && (f.Gone != (code == http.StatusGone) || f.RetryAfter != 2*time.Minute ||
			strings.Contains(f.Error(), "hunter2")) {
			t.Errorf("status %d: got failure %+v", code, f)
		}
		if strings.Contains(e.Name(), "hunter2") || strings.Contains(string(e.ID()), "hunter2") {
			t.Errorf("the endpoint's name or id has its secret: %s, %s", e.Name(), e.ID())
		}
	}
}

// TestEndpointNames: endpoints of one host have different names. The first keeps its name, the others are numbered, and
// none shows its path.
func TestEndpointNames(t *testing.T) {
	var all []*push.Endpoint
	for _, url := range []string{
		"https://a.example/1", "https://b.example/2", "https://user:3@a.example/", "http://a.example",
		"https://a.example?4",
	} {
		all = append(all, endpoint(t, url))
	}
	push.Number(all)
	for i, want := range []string{
		"https://a.example", "https://b.example", "https://a.example#2", "http://a.example", "https://a.example#3",
	} {
		if all[i].Name() != want {
			t.Errorf("the name is %s, want %s", all[i].Name(), want)
		}
	}
}

// TestRetryAfter: Retry-After may have seconds or a date. A longer delay than 24 hours becomes 24 hours.
func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-1": 0, "7": 7 * time.Second, "soon": 0,
		"99999999999999999999": 24 * time.Hour, "2147483648": 24 * time.Hour, "86401": 24 * time.Hour,
		"86399": 86399 * time.Second,
		time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat): 24 * time.Hour,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat):      time.Hour,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):     0,
	} {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		var f *push.Failure
		_, err := endpoint(t, r.URL).Push(t.Context(), event)
		if !errors.As(err, &f) || f.RetryAfter > want || f.RetryAfter < want-2*time.Minute {
			t.Errorf("%q: got failure %+v", value, f)
		}
	}
}

// TestHangingReceivers: a delivery ends although the receiver never answers, or its header is endless. An endless body
// is not read: its status counts.
func TestHangingReceivers(t *testing.T) {
	release := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"endless header": func(w http.ResponseWriter, _ *http.Request) {
			for range 2_000 {
				w.Header().Add("X-More", strings.Repeat("x", 100))
			}
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		r := receive(t, answer)
		if _, err := endpoint(t, r.URL+"/hunter2").Push(ctx, event); err == nil ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	close(release)
	endless := receive(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	if _, err := endpoint(t, endless.URL).Push(t.Context(), event); err != nil {
		t.Errorf("an endless body after status 200: %v", err)
	}
}

// TestLargeBodies: a body of 20 KB or more is sent without the shop's metadata.
func TestLargeBodies(t *testing.T) {
	r := receive(t, status(http.StatusOK))
	large := event
	metadata := map[string]string{}
	for i := range 20 {
		metadata[strings.Repeat("k", 38)+string(rune('a'+i))] = strings.Repeat("ü<", 250)
	}
	view, err := json.Marshal(map[string]any{
		"payment_intent": "pi_1", "order_id": "shop-1", "metadata": metadata, "receipt_url": `"metadata":{}`,
		"amount": 999_999_999_999,
	})
	if err != nil {
		t.Fatal(err)
	}
	large.Data = view
	if _, err := endpoint(t, r.URL).Push(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	body := <-r.bodies
	var got struct {
		Truncated bool
		Data      struct {
			Order    string            `json:"order_id"`
			Metadata map[string]string `json:"metadata"`
			Receipt  string            `json:"receipt_url"`
			Amount   int64             `json:"amount"`
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || !got.Truncated || got.Data.Order != "shop-1" ||
		got.Data.Receipt != `"metadata":{}` || got.Data.Amount != 999_999_999_999 ||
		len(got.Data.Metadata) != 0 || len(body) >= 20<<10 {
		t.Errorf("%d bytes, %v, %+v", len(body), err, got)
	}
}

// TestUnreachable: the error of an unreachable endpoint does not contain its URL. The environment's proxy is not
// used.
func TestUnreachable(t *testing.T) {
	proxy := receive(t, status(http.StatusOK))
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	closed := receive(t, status(http.StatusOK))
	closed.Close()
	plain := strings.Replace(receive(t, status(http.StatusOK)).URL, "http:", "https:", 1)
	for _, url := range []string{closed.URL, "http://nothing.invalid", plain} {
		_, err := endpoint(t, url+"/hunter2?hunter2").Push(t.Context(), event)
		if err == nil || strings.Contains(err.Error(), "hunter2") || len(proxy.requests) > 0 {
			t.Errorf("%s: got error %v", url, err)
		}
	}
}

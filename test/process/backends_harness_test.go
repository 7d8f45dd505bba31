//go:build backends

package process_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"kasse/test/wait"
)

const devKey = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"

// shop is one example backend and its kasse-dev. The backend reaches Kasse through the proxy front,
// so that a test can block the feed and replace the kasse-dev.
type shop struct {
	t       *testing.T
	command []string // starts the backend
	env     map[string]string
	backend *process
	earlier string // output of stopped backends
	address string // host:port of the backend; a restarted backend has the same

	dev    *process
	stripe string // base URL of the simulator
	front  *httptest.Server
	target atomic.Pointer[url.URL]
	noFeed atomic.Bool            // the proxy answers requests for the feed with 503
	pages  atomic.Pointer[pages]  // answers requests for the feed instead of Kasse, unless nil
	cursor atomic.Pointer[string] // of the last feed request; nil: none since the test reset it
	client *http.Client
}

// newShop prepares a shop whose backend is started by the command. It starts nothing but the proxy.
func newShop(t *testing.T, command []string) *shop {
	t.Helper()
	s := &shop{t: t, command: command, client: newClient(t), address: "127.0.0.1:0"}
	s.front = httptest.NewServer(s)
	t.Cleanup(s.front.Close)
	s.env = map[string]string{
		"KASSE_URL": s.front.URL, "KASSE_KEY": devKey, "WEBHOOK_SECRET": endpointSecret,
		"DATABASE": filepath.Join(t.TempDir(), "shop.db"),
	}
	return s
}

// ServeHTTP forwards a request to the current kasse-dev.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/events" {
		s.cursor.Store(new(r.URL.Query().Get("after")))
		if pages := s.pages.Load(); pages != nil {
			pages.ServeHTTP(w, r)
			return
		}
	}
	target := s.target.Load()
	if target == nil || s.noFeed.Load() && r.URL.Path == "/v1/events" {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "<html>unavailable</html>", http.StatusServiceUnavailable)
		return
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ServeHTTP(w, r)
}

// startBackend starts the backend with changes of its environment, and waits for its address.
func (s *shop) startBackend(changes map[string]string) {
	s.t.Helper()
	env := maps.Clone(s.env)
	env["ADDR"] = s.address
	maps.Copy(env, changes)
	p := run(s.t, s.command[0], env, s.command[1:]...)
	wait.Until(s.t, "the address of the backend", func() error {
		if p.hasEnded() {
			s.t.Fatalf("the backend ended: %s", p.stderr.String())
		}
		found := regexp.MustCompile(`listening on http://(\S+)`).FindStringSubmatch(p.stdout.String())
		if found == nil {
			return wait.ErrNotYet
		}
		s.address = found[1]
		return nil
	})
	s.backend = p
}

// killBackend sends SIGKILL, and keeps the output.
func (s *shop) killBackend() {
	s.backend.kill()
	s.earlier += s.backend.stdout.String()
}

// awaitCursor waits for a request for the feed, and reports whether it has a cursor.
func (s *shop) awaitCursor() bool {
	s.t.Helper()
	wait.UntilTrue(s.t, "a feed request", func() bool { return s.cursor.Load() != nil })
	return *s.cursor.Load() != ""
}

// startKasse starts a kasse-dev with a Redis and a Stripe of its own, and stops the previous one.
func (s *shop) startKasse(env map[string]string) {
	s.t.Helper()
	if s.dev != nil {
		s.dev.kill()
	}
	s.dev = run(s.t, binary(s.t, kasseDevBinary), env, "-duplicate", "0.3", "-reorder", "0.3",
		"-addr", ":0", "-admin-addr", ":0", "-stripe-addr", ":0", "-shop-addr", ":0", "-console-addr", ":0")
	address := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + ` +(http\S+)$`).FindStringSubmatch(s.dev.stdout.String())
		if found == nil {
			return ""
		}
		return found[1]
	}
	wait.UntilTrue(s.t, "kasse-dev's addresses", func() bool {
		if s.dev.hasEnded() {
			s.t.Fatalf("kasse-dev ended: %s", s.dev.stderr.String())
		}
		return strings.Contains(s.dev.stdout.String(), "\nCommands to paste ")
	})
	s.stripe = address("Stripe")
	target, err := url.Parse(address("Kasse"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.target.Store(target)
}

// pushSettings returns the environment of a kasse-dev that pushes events to the backend.
func (s *shop) pushSettings() map[string]string {
	return map[string]string{
		"EVENT_ENDPOINTS":     "http://" + s.address + "/kasse/events=" + endpointSecret,
		"EVENT_ALLOW_PRIVATE": "true",
	}
}

// request sends a request to the backend, requires the status, and returns the decoded body.
func (s *shop) request(status int, method, path, body string) map[string]any {
	s.t.Helper()
	header := map[string]string{"Content-Type": "application/json"}
	a, err := call(s.t.Context(), s.client, method, "http://"+s.address+path, header, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.status != status {
		s.t.Fatalf("%s %s with body %s: status %d, want %d: %s", method, path, body, a.status, status, a.body)
	}
	var value map[string]any
	if len(a.body) > 0 {
		a.decode(s.t, &value)
	}
	return value
}

// order creates an order at the backend, and opens its payment with the order token.
func (s *shop) order(product string) view {
	s.t.Helper()
	created := s.request(http.StatusCreated, http.MethodPost, "/orders", fmt.Sprintf(`{"product":%q}`, product))
	id := created["order_id"].(string)
	token := s.request(http.StatusCreated, http.MethodPost, "/orders/"+id+"/token", "")["token"].(string)
	header := map[string]string{"Authorization": "Bearer " + token}
	a, err := call(s.t.Context(), s.client, http.MethodPost, s.front.URL+"/v1/payments", header, "")
	if err != nil || a.status != http.StatusCreated {
		s.t.Fatalf("the page's create: status %d (%v), want 201: %s", a.status, err, a.body)
	}
	return a.view(s.t)
}

// pay confirms a payment at the simulated Stripe, as the page does with Stripe.js.
func (s *shop) pay(opened view, method string) {
	s.t.Helper()
	address := s.stripe + "/v1/payment_intents/" + opened.PaymentIntent + "/confirm"
	form := url.Values{
		"client_secret": {opened.ClientSecret}, "payment_method": {method},
		"return_url": {"https://shop.example/thanks"},
	}
	header := map[string]string{
		"Authorization": "Bearer pk_test_kasse_dev", "Content-Type": "application/x-www-form-urlencoded",
	}
	a, err := call(s.t.Context(), s.client, http.MethodPost, address, header, form.Encode())
	if err != nil || a.status != http.StatusOK && a.status != http.StatusPaymentRequired {
		s.t.Fatalf("the confirmation: status %d (%v), want 200 or 402: %s", a.status, err, a.body)
	}
}

// await waits until the backend shows the state and the number of shipments.
func (s *shop) await(order, state string, shipped int) {
	s.t.Helper()
	wait.Until(s.t, order+" as "+state, func() error {
		seen := s.request(http.StatusOK, http.MethodGet, "/orders/"+order, "")
		if seen["state"] != state || seen["shipped"] != float64(shipped) {
			return fmt.Errorf("the backend shows %v, want %d shipments", seen, shipped)
		}
		return nil
	})
}

// awaitKasse waits until Kasse shows the state of the order.
func (s *shop) awaitKasse(order, state string) {
	s.t.Helper()
	header := map[string]string{"Authorization": "Bearer " + devKey}
	wait.Until(s.t, order+" as "+state+" at Kasse", func() error {
		a, err := call(s.t.Context(), s.client, http.MethodGet, s.front.URL+"/v1/orders/"+order, header, "")
		if err != nil {
			return err
		}
		var seen struct{ Payment view }
		a.decode(s.t, &seen)
		if seen.Payment.State != state {
			return fmt.Errorf("the state is %q", seen.Payment.State)
		}
		return nil
	})
}

// push posts a signed event to the backend, and returns the response status.
func (s *shop) push(secret string, at time.Time, kind string, data map[string]any) int {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"id": "pi_test.1", "type": kind, "data": data})
	if err != nil {
		s.t.Fatal(err)
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	signature, err := signer.Sign("pi_test.1", at, body)
	if err != nil {
		s.t.Fatal(err)
	}
	header := map[string]string{
		"Content-Type": "application/json", "webhook-id": "pi_test.1",
		"webhook-timestamp": strconv.FormatInt(at.Unix(), 10), "webhook-signature": signature,
	}
	a, err := call(s.t.Context(), s.client, http.MethodPost, "http://"+s.address+"/kasse/events", header, string(body))
	if err != nil {
		s.t.Fatal(err)
	}
	return a.status
}

// shipments counts the shipments that the backend has printed, by order.
func (s *shop) shipments() map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(s.earlier + s.backend.stdout.String()) {
		if order, found := strings.CutPrefix(strings.TrimSpace(line), "ship "); found {
			count[order]++
		}
	}
	return count
}

//go:build backends

package process_test

import (
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kasse/test/wait"
)

// TestBackendInGo plays backendStory with examples/backend-go.
func TestBackendInGo(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "backend-go")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "../../examples/backend-go"
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	backendStory(t, program)
}

// TestBackendInNode plays backendStory with examples/backend-node.
func TestBackendInNode(t *testing.T) {
	t.Parallel()
	node := executablePath(t, "node", "-p", "process.execPath")
	backendStory(t, node, absolute(t, "../../examples/backend-node/backend.js"))
}

// TestBackendInPython plays backendStory with examples/backend-python.
func TestBackendInPython(t *testing.T) {
	t.Parallel()
	python := executablePath(t, "python3", "-c", "import sys; print(sys.executable)")
	backendStory(t, python, "-B", absolute(t, "../../examples/backend-python/backend.py"))
}

// executablePath runs a program to find its real path: the one in PATH may be a script that needs
// the user's home.
func executablePath(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(output))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// backendStory runs one of the example backends: with push and without the feed, with the feed
// after a kill, and with the feed and without push after a loss of Redis. Webhooks arrive several
// times and out of order. The backend must ship each paid order once.
func backendStory(t *testing.T, command ...string) {
	t.Helper()
	s := newShop(t, command)
	s.checkBadSettings()
	s.noFeed.Store(true)
	s.startBackend(nil)
	s.startKasse(s.pushSettings())

	kettle := s.order("kettle")
	s.pay(kettle, "pm_card_visa")
	s.await(kettle.OrderID, "paid", 1)
	bicycle := s.checkCapture()
	s.checkRefund(kettle.OrderID)
	s.checkDecline()
	s.checkBadRequests(kettle.OrderID)
	s.checkForgedEvents(kettle)

	s.noFeed.Store(false)
	late := s.order("kettle")
	wait.UntilTrue(t, "a feed request with a cursor", s.awaitCursor)
	s.killBackend()
	s.pay(late, "pm_card_visa")
	s.cursor.Store(nil)
	s.startBackend(nil)
	expect(t, "the first feed request has the stored cursor", s.awaitCursor(), true)
	s.await(late.OrderID, "paid", 1)

	s.noFeed.Store(true) // so that the backend's lookup of its open orders finds a paid one
	s.startKasse(nil)    // the first kasse-dev is lost with its Redis; the second pushes nothing
	last := s.order("kettle")
	s.pay(last, "pm_card_visa")
	s.awaitKasse(last.OrderID, "paid")
	s.noFeed.Store(false)
	s.await(last.OrderID, "paid", 1)
	if !strings.Contains(s.backend.stderr.String(), "the cursor has expired") {
		t.Errorf("the backend's output does not contain \"the cursor has expired\": %s", s.backend.stderr.String())
	}
	s.await(kettle.OrderID, "partially_refunded", 1)
	s.checkWrongKey()
	walked := s.followWalk()
	s.checkPauses()

	want := map[string]int{kettle.OrderID: 1, bicycle: 1, late.OrderID: 1, last.OrderID: 1, walked: 1}
	if got := s.shipments(); !maps.Equal(got, want) {
		t.Errorf("shipments by order are %v, want %v", got, want)
	}
	log := s.earlier + s.backend.stdout.String() + s.backend.stderr.String()
	for _, secret := range []string{endpointSecret, devKey, kettle.ClientSecret} {
		if strings.Contains(log, secret) {
			t.Errorf("the output of the backend contains a secret: %s", secret)
		}
	}
}

// checkBadSettings checks the exit code and the message for each missing or malformed variable.
func (s *shop) checkBadSettings() {
	s.t.Helper()
	for _, name := range []string{"KASSE_URL", "KASSE_KEY", "WEBHOOK_SECRET"} {
		for _, value := range []string{"", "hunter2"} {
			env := maps.Clone(s.env)
			env[name] = value
			p := run(s.t, s.command[0], env, s.command[1:]...)
			expect(s.t, "exit code with "+name+"="+value, p.exitCode(), 1)
			message := p.stderr.String()
			if !strings.Contains(message, "set "+name) || strings.Contains(message, "hunter2") {
				s.t.Errorf("with %s=%q the message is %q, want \"set %[1]s\" and not the value", name, value, message)
			}
		}
	}
}

// checkCapture pays an order with manual capture. The backend ships it at the capture, not at the
// authorization.
func (s *shop) checkCapture() (order string) {
	s.t.Helper()
	bicycle := s.order("bicycle")
	path := "/orders/" + bicycle.OrderID + "/capture"
	s.request(http.StatusConflict, http.MethodPost, path, "") // nothing is authorized yet
	s.pay(bicycle, "pm_card_visa")
	s.await(bicycle.OrderID, "authorized", 0)
	expect(s.t, "state after the capture", s.request(http.StatusOK, http.MethodPost, path, "")["state"], any("paid"))
	s.await(bicycle.OrderID, "paid", 1)
	return bicycle.OrderID
}

// checkRefund checks a refund, its repetition, and a refund that is too large.
func (s *shop) checkRefund(order string) {
	s.t.Helper()
	path := "/orders/" + order + "/refunds"
	first := s.request(http.StatusCreated, http.MethodPost, path, `{"refund_id":"broken-lid","amount":1000}`)
	again := s.request(http.StatusCreated, http.MethodPost, path, `{"refund_id":"broken-lid","amount":1000}`)
	expect(s.t, "state after the refund", first["state"], any("partially_refunded"))
	expect(s.t, "the refund of a repeated request", again["refund"], first["refund"])
	tooMuch := s.request(http.StatusConflict, http.MethodPost, path, `{"refund_id":"all","amount":4200}`)
	expect(s.t, "code of a refund that is too large", tooMuch["code"], any("refund_exceeds_payment"))
	s.await(order, "partially_refunded", 1)
}

// checkDecline checks that a declined order is not shipped.
func (s *shop) checkDecline() {
	s.t.Helper()
	declined := s.order("kettle")
	s.pay(declined, "pm_card_visa_chargeDeclined")
	s.await(declined.OrderID, "failed", 0)
}

// checkBadRequests checks the status and the message of bad requests.
func (s *shop) checkBadRequests(order string) {
	s.t.Helper()
	for _, test := range []struct {
		status             int
		method, path, body string
		message            string
	}{
		{http.StatusBadRequest, http.MethodPost, "/orders", `{"product":"yacht"}`, "kettle"},
		{http.StatusBadRequest, http.MethodPost, "/orders", `{"product":`, ""},
		{http.StatusBadRequest, http.MethodPost, "/orders/" + order + "/refunds", `{"amount":1}`, "refund_id"},
		{http.StatusConflict, http.MethodPost, "/orders/" + order + "/refunds", `{"refund_id":"x","amount":-1}`, ""},
		{http.StatusNotFound, http.MethodGet, "/orders/unknown", "", "does not exist"},
		{http.StatusNotFound, http.MethodPost, "/orders/unknown/token", "", "does not exist"},
		{http.StatusNotFound, http.MethodPost, "/orders/unknown/capture", "", ""},
	} {
		got, _ := s.request(test.status, test.method, test.path, test.body)["error"].(string)
		if got == "" || !strings.Contains(got, test.message) {
			s.t.Errorf(
				"%s %s with body %s: the error is %q, want one with %q",
				test.method, test.path, test.body, got, test.message,
			)
		}
	}
}

// checkForgedEvents sends forged and outdated events, which the backend must refuse. It also sends
// valid events that must change nothing: a duplicate, one of another shop, and one of an unknown
// type.
func (s *shop) checkForgedEvents(paid view) {
	s.t.Helper()
	const forged = "whsec_Zm9yZ2VkIGZvcmdlZCBmb3JnZWQgZm9yZ2VkIGZvcmdlZA=="
	now := time.Now()
	old, ahead := now.Add(-6*time.Minute), now.Add(6*time.Minute)
	data := map[string]any{
		"order_id": paid.OrderID, "payment_intent": paid.PaymentIntent, "state": "paid", "version": 1,
	}
	other := map[string]any{"order_id": "of-another-shop", "payment_intent": "pi_other", "state": "paid", "version": 1}
	for name, test := range map[string]struct {
		status int
		got    int
	}{
		"another secret": {http.StatusUnauthorized, s.push(forged, now, "order.paid", data)},
		"too old":        {http.StatusUnauthorized, s.push(endpointSecret, old, "order.paid", data)},
		"too new":        {http.StatusUnauthorized, s.push(endpointSecret, ahead, "order.paid", data)},
		"a duplicate":    {http.StatusNoContent, s.push(endpointSecret, now, "order.paid", data)},
		"another shop's": {http.StatusNoContent, s.push(endpointSecret, now, "order.paid", other)},
		"unknown type":   {http.StatusNoContent, s.push(endpointSecret, now, "order.polished", data)},
		"superseded":     {http.StatusNoContent, s.push(endpointSecret, now, "superseded.canceled", data)},
	} {
		expect(s.t, "status of an event that is "+name, test.got, test.status)
	}
	s.await(paid.OrderID, "partially_refunded", 1)
}

// followWalk pastes the walk of examples/README.md into a shell, with the addresses of this test.
func (s *shop) followWalk() (order string) {
	s.t.Helper()
	page, err := os.ReadFile("../../examples/README.md")
	if err != nil {
		s.t.Fatal(err)
	}
	_, walk, _ := strings.Cut(string(page), "SHOP=http://127.0.0.1:8093\n")
	walk, _, found := strings.Cut(walk, "   ```\n")
	if !found {
		s.t.Fatal("examples/README.md has no walk")
	}
	walk = strings.ReplaceAll(walk, "http://127.0.0.1:8080", s.target.Load().String())
	walk = strings.ReplaceAll(walk, "http://127.0.0.1:12111", s.stripe)
	shell := exec.Command("bash", "-e")
	shell.Stdin = strings.NewReader("SHOP=http://" + s.address + "\n" + walk + "\necho; echo walked $ORDER\n")
	output, err := shell.CombinedOutput()
	_, order, _ = strings.Cut(string(output), "\nwalked ")
	order = strings.TrimSpace(order)
	if err != nil || order == "" || !strings.Contains(string(output), "partially_refunded") {
		s.t.Fatalf("the walk of examples/README.md failed or refunded nothing: %v\n%s", err, output)
	}
	s.await(order, "partially_refunded", 1)
	return order
}

// checkWrongKey checks the exit code and the message for a key that Kasse does not accept.
func (s *shop) checkWrongKey() {
	s.t.Helper()
	env := maps.Clone(s.env)
	env["ADDR"], env["KASSE_KEY"] = "127.0.0.1:0", strings.Replace(devKey, "dev", "bad", 1)
	p := run(s.t, s.command[0], env, s.command[1:]...)
	expect(s.t, "exit code with a wrong key", p.exitCode(), 1)
	message := p.stderr.String()
	if !strings.Contains(message, "KASSE_KEY") || !strings.Contains(message, "unauthenticated") {
		s.t.Errorf("with a wrong key the message is %q, want one with KASSE_KEY and unauthenticated", message)
	}
	if strings.Contains(message, env["KASSE_KEY"]) {
		s.t.Error("the message contains the key")
	}
}

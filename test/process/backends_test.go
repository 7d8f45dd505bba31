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

func TestBackendInNode(t *testing.T) {
	t.Parallel()
	backendStory(t, look(t, "node", "-p", "process.execPath"), absolute(t, "../../examples/backend-node/backend.js"))
}

func TestBackendInPython(t *testing.T) {
	t.Parallel()
	python := look(t, "python3", "-c", "import sys; print(sys.executable)")
	backendStory(t, python, "-B", absolute(t, "../../examples/backend-python/backend.py"))
}

// look runs a program to find its real path: the one in PATH may be a script that needs the user's
// home.
func look(t *testing.T, name string, args ...string) string {
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

// backendStory runs one of the example backends through push without feed, feed after a kill, and
// feed without push after Redis was lost. Webhooks arrive several times and out of order. Each paid
// order must be shipped once.
func backendStory(t *testing.T, command ...string) {
	t.Helper()
	s := newShop(t, command)
	s.refusesBadSettings()
	s.noFeed.Store(true)
	s.startBackend(nil)
	s.startKasse(s.pushes())

	kettle := s.order("kettle")
	s.pay(kettle, "pm_card_visa")
	s.await(kettle.OrderID, "paid", 1)
	bicycle := s.captures()
	s.refunds(kettle.OrderID)
	s.declines()
	s.refusesCallers(kettle.OrderID)
	s.refusesForgeries(kettle)

	s.noFeed.Store(false)
	late := s.order("kettle")
	wait.Until(t, "the first page of the feed", func() error { return yet(s.awaitCursor()) })
	s.killBackend()
	s.pay(late, "pm_card_visa")
	s.cursor.Store(nil)
	s.startBackend(nil)
	expect(t, "the feed goes on from the stored cursor", s.awaitCursor(), true)
	s.await(late.OrderID, "paid", 1)

	s.noFeed.Store(true) // so that the backend meets a paid order when it looks up its open orders
	s.startKasse(nil)    // the first is lost with its Redis; this one pushes nothing
	last := s.order("kettle")
	s.pay(last, "pm_card_visa")
	s.awaitKasse(last.OrderID, "paid")
	s.noFeed.Store(false)
	s.await(last.OrderID, "paid", 1)
	if !strings.Contains(s.backend.stderr.String(), "the cursor has expired") {
		t.Errorf("the backend does not report that its cursor has expired: %s", s.backend.stderr.String())
	}
	s.await(kettle.OrderID, "partially_refunded", 1)
	s.refusedByKasse()
	walked := s.walks()
	s.pausesAfterEmptyPages()

	want := map[string]int{kettle.OrderID: 1, bicycle: 1, late.OrderID: 1, last.OrderID: 1, walked: 1}
	if got := s.shippings(); !maps.Equal(got, want) {
		t.Errorf("it ships %v, want %v", got, want)
	}
	log := s.earlier + s.backend.stdout.String() + s.backend.stderr.String()
	for _, secret := range []string{endpointSecret, devKey, kettle.ClientSecret} {
		if strings.Contains(log, secret) {
			t.Errorf("the output of the backend contains a secret: %s", secret)
		}
	}
}

// refusesBadSettings checks the message for each missing or malformed variable.
func (s *shop) refusesBadSettings() {
	s.t.Helper()
	for _, name := range []string{"KASSE_URL", "KASSE_KEY", "WEBHOOK_SECRET"} {
		for _, value := range []string{"", "hunter2"} {
			env := maps.Clone(s.env)
			env[name] = value
			p := run(s.t, s.command[0], env, s.command[1:]...)
			expect(s.t, "exit code with "+name+"="+value, p.exitCode(), 1)
			message := p.stderr.String()
			if !strings.Contains(message, "set "+name) || strings.Contains(message, "hunter2") {
				s.t.Errorf("with %s=%q the message is %q", name, value, message)
			}
		}
	}
}

// captures pays an order with manual capture: authorized and not shipped, then captured and
// shipped.
func (s *shop) captures() (order string) {
	s.t.Helper()
	bicycle := s.order("bicycle")
	path := "/orders/" + bicycle.OrderID + "/capture"
	s.ask(http.StatusConflict, http.MethodPost, path, "") // nothing is authorised yet
	s.pay(bicycle, "pm_card_visa")
	s.await(bicycle.OrderID, "authorized", 0)
	expect(s.t, "state after the capture", s.ask(http.StatusOK, http.MethodPost, path, "")["state"], any("paid"))
	s.await(bicycle.OrderID, "paid", 1)
	return bicycle.OrderID
}

func (s *shop) refunds(order string) {
	s.t.Helper()
	path := "/orders/" + order + "/refunds"
	first := s.ask(http.StatusCreated, http.MethodPost, path, `{"refund_id":"broken-lid","amount":1000}`)
	again := s.ask(http.StatusCreated, http.MethodPost, path, `{"refund_id":"broken-lid","amount":1000}`)
	expect(s.t, "state after the refund", first["state"], any("partially_refunded"))
	expect(s.t, "the refund of a second click", again["refund"], first["refund"])
	much := s.ask(http.StatusConflict, http.MethodPost, path, `{"refund_id":"all","amount":4200}`)
	expect(s.t, "code of a refund of too much", much["code"], any("refund_exceeds_payment"))
	s.await(order, "partially_refunded", 1)
}

func (s *shop) declines() {
	s.t.Helper()
	declined := s.order("kettle")
	s.pay(declined, "pm_card_visa_chargeDeclined")
	s.await(declined.OrderID, "failed", 0)
}

// refusesCallers checks status and message of bad requests.
func (s *shop) refusesCallers(order string) {
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
		got, _ := s.ask(test.status, test.method, test.path, test.body)["error"].(string)
		if got == "" || !strings.Contains(got, test.message) {
			s.t.Errorf("%s %s with %s is refused with %q", test.method, test.path, test.body, got)
		}
	}
}

// refusesForgeries also sends signed events that must change nothing: an old one, one of another
// shop, an unknown type.
func (s *shop) refusesForgeries(paid view) {
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
		"from ahead":     {http.StatusUnauthorized, s.push(endpointSecret, ahead, "order.paid", data)},
		"again":          {http.StatusNoContent, s.push(endpointSecret, now, "order.paid", data)},
		"another shop's": {http.StatusNoContent, s.push(endpointSecret, now, "order.paid", other)},
		"unknown type":   {http.StatusNoContent, s.push(endpointSecret, now, "order.polished", data)},
		"superseded":     {http.StatusNoContent, s.push(endpointSecret, now, "superseded.canceled", data)},
	} {
		expect(s.t, "answer to an event that is "+name, test.got, test.status)
	}
	s.await(paid.OrderID, "partially_refunded", 1)
}

// walks pastes the walk of examples/README.md into a shell, with the addresses of this test.
func (s *shop) walks() (order string) {
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
		s.t.Fatalf("the walk of examples/README.md: %v\n%s", err, output)
	}
	s.await(order, "partially_refunded", 1)
	return order
}

// refusedByKasse checks the message for a key that Kasse does not accept.
func (s *shop) refusedByKasse() {
	s.t.Helper()
	env := maps.Clone(s.env)
	env["ADDR"], env["KASSE_KEY"] = "127.0.0.1:0", strings.Replace(devKey, "dev", "bad", 1)
	p := run(s.t, s.command[0], env, s.command[1:]...)
	expect(s.t, "exit code with a wrong key", p.exitCode(), 1)
	message := p.stderr.String()
	if !strings.Contains(message, "KASSE_KEY") || !strings.Contains(message, "unauthenticated") {
		s.t.Errorf("with a wrong key the message is %q", message)
	}
	if strings.Contains(message, env["KASSE_KEY"]) {
		s.t.Error("the message contains the key")
	}
}

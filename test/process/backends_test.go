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
	backendStory(t, look(t, "python3", "-c", "import sys; print(sys.executable)"), "-B", absolute(t, "../../examples/backend-python/backend.py"))
}

// look asks a program where it is: the name in the path may be a script that needs its user's home.
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

// backendStory is a day of a shop with one of the example backends. Everything comes several times and in any order; the
// backend is killed in between, and Kasse is lost. Each paid order is shipped once.
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
	eventually(t, "the first page of the feed", func() error { return yet(s.awaitCursor()) })
	s.killBackend()
	s.pay(late, "pm_card_visa")
	s.cursor.Store(nil)
	s.startBackend(nil)
	expect(t, "the feed goes on from the stored cursor", s.awaitCursor(), true)
	s.await(late.OrderID, "paid", 1)

	s.startKasse(nil) // the first is lost with its Redis; this one pushes nothing
	last := s.order("kettle")
	s.pay(last, "pm_card_visa")
	s.await(last.OrderID, "paid", 1)
	if !strings.Contains(s.backend.stderr.String(), "the cursor has expired") {
		t.Errorf("the backend does not say that its cursor has expired: %s", s.backend.stderr.String())
	}
	s.await(kettle.OrderID, "partially_refunded", 1)
	s.refusedByKasse()
	walked := s.walks()

	want := map[string]int{kettle.OrderID: 1, bicycle: 1, late.OrderID: 1, last.OrderID: 1, walked: 1}
	if got := s.shippings(); !maps.Equal(got, want) {
		t.Errorf("it ships %v, want %v", got, want)
	}
	for _, p := range []*process{s.backend, s.dev} {
		if log := p.stdout.String() + p.stderr.String(); strings.Contains(log, endpointSecret) || p == s.backend && strings.Contains(log, devKey) {
			t.Error("a log shows a secret")
		}
	}
}

// refusesBadSettings looks at what a developer reads who has forgotten a variable, or has set a wrong one.
func (s *shop) refusesBadSettings() {
	s.t.Helper()
	for _, name := range []string{"KASSE_URL", "KASSE_KEY", "WEBHOOK_SECRET"} {
		for _, value := range []string{"", "hunter2"} {
			env := maps.Clone(s.env)
			env[name] = value
			p := run(s.t, s.command[0], env, s.command[1:]...)
			expect(s.t, "exit code with "+name+"="+value, p.exitCode(), 1)
			if message := p.stderr.String(); !strings.Contains(message, "set "+name) || strings.Contains(message, "hunter2") {
				s.t.Errorf("with %s=%q it says %q", name, value, message)
			}
		}
	}
}

// captures sells what is paid when it is ready: authorised, not shipped; then captured, and shipped.
func (s *shop) captures() (order string) {
	s.t.Helper()
	bicycle := s.order("bicycle")
	s.ask(http.StatusConflict, http.MethodPost, "/orders/"+bicycle.OrderID+"/capture", "") // nothing is authorised yet
	s.pay(bicycle, "pm_card_visa")
	s.await(bicycle.OrderID, "authorized", 0)
	expect(s.t, "state after the capture", s.ask(http.StatusOK, http.MethodPost, "/orders/"+bicycle.OrderID+"/capture", "")["state"], any("paid"))
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

// refusesCallers looks at what a developer of the shop's page reads.
func (s *shop) refusesCallers(order string) {
	s.t.Helper()
	for _, test := range []struct {
		status             int
		method, path, body string
		says               string
	}{
		{http.StatusBadRequest, http.MethodPost, "/orders", `{"product":"yacht"}`, "kettle"},
		{http.StatusBadRequest, http.MethodPost, "/orders", `{"product":`, ""},
		{http.StatusBadRequest, http.MethodPost, "/orders/" + order + "/refunds", `{"amount":1}`, "refund_id"},
		{http.StatusConflict, http.MethodPost, "/orders/" + order + "/refunds", `{"refund_id":"x","amount":-1}`, ""},
		{http.StatusNotFound, http.MethodGet, "/orders/nobody", "", "no such order"},
		{http.StatusNotFound, http.MethodPost, "/orders/nobody/token", "", "no such order"},
		{http.StatusNotFound, http.MethodPost, "/orders/nobody/capture", "", ""},
	} {
		message, _ := s.ask(test.status, test.method, test.path, test.body)["error"].(string)
		if message == "" || !strings.Contains(message, test.says) {
			s.t.Errorf("%s %s with %s is refused with %q", test.method, test.path, test.body, message)
		}
	}
}

// refusesForgeries also sends what is signed and must change nothing: old news, an order of another shop, an unknown type.
func (s *shop) refusesForgeries(paid view) {
	s.t.Helper()
	now := time.Now()
	data := map[string]any{"order_id": paid.OrderID, "payment_intent": paid.PaymentIntent, "state": "paid", "version": 1}
	other := map[string]any{"order_id": "of-another-shop", "payment_intent": "pi_other", "state": "paid", "version": 1}
	for name, test := range map[string]struct {
		status int
		got    int
	}{
		"another secret": {http.StatusUnauthorized, s.push("whsec_Zm9yZ2VkIGZvcmdlZCBmb3JnZWQgZm9yZ2VkIGZvcmdlZA==", now, "order.paid", data)},
		"too old":        {http.StatusUnauthorized, s.push(endpointSecret, now.Add(-6*time.Minute), "order.paid", data)},
		"from ahead":     {http.StatusUnauthorized, s.push(endpointSecret, now.Add(6*time.Minute), "order.paid", data)},
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
	walk = strings.NewReplacer("http://127.0.0.1:8080", s.target.Load().String(), "http://127.0.0.1:12111", s.stripe).Replace(walk)
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

// refusedByKasse looks at what is read with a key that Kasse does not take.
func (s *shop) refusedByKasse() {
	s.t.Helper()
	env := maps.Clone(s.env)
	env["ADDR"], env["KASSE_KEY"] = "127.0.0.1:0", strings.Replace(devKey, "dev", "bad", 1)
	p := run(s.t, s.command[0], env, s.command[1:]...)
	expect(s.t, "exit code with a wrong key", p.exitCode(), 1)
	if message := p.stderr.String(); !strings.Contains(message, "KASSE_KEY") || !strings.Contains(message, "unauthenticated") || strings.Contains(message, env["KASSE_KEY"]) {
		s.t.Errorf("with a wrong key it says %q", message)
	}
}

package process_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// kasseUser returns the arguments of a redis-server with the user of docs/redis-acl.md.
func kasseUser() []string {
	return append([]string{"--user", "kasse", "on", ">hunter2"}, strings.Fields(store.ACLRule())...)
}

// asKasse adds the user to the URL of a server. In the URL of sentinels this place is for the
// sentinels' user.
func asKasse(url string) string { return strings.Replace(url, "redis://", "redis://kasse:hunter2@", 1) }

// pushedTypes receives pushed events, and counts them by type.
type pushedTypes struct {
	mu     sync.Mutex
	counts map[string]int
}

// ServeHTTP receives one event.
func (p *pushedTypes) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var event struct{ Type string }
	_ = json.NewDecoder(r.Body).Decode(&event)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[event.Type]++
}

func (p *pushedTypes) count(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[kind]
}

// TestDocumentedRedisUser runs Kasse as the user of docs/redis-acl.md, on a master with a replica,
// on a cluster and behind sentinels: a payment, a capture, a refund, pushes, WAIT, and every
// command. Redis refuses nothing.
func TestDocumentedRedisUser(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(t testing.TB) string{
		"single": func(t testing.TB) string {
			t.Helper()
			master, _ := storetest.NewReplicated(t, kasseUser()...)
			return asKasse(master.URL())
		},
		"cluster": func(t testing.TB) string {
			t.Helper()
			return asKasse(storetest.NewCluster(t, 3, 3, kasseUser()...).URL())
		},
		"sentinel": func(t testing.TB) string {
			t.Helper()
			return storetest.NewSentinels(t, kasseUser()...).URL() + "&username=kasse&password=hunter2"
		},
	}
	for mode, start := range kinds {
		t.Run(mode, func(t *testing.T) {
			w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{validWebhook}})
			backend := &pushedTypes{counts: map[string]int{}}
			endpoint := httptest.NewServer(backend)
			t.Cleanup(endpoint.Close)
			w.useAllRights(backend, map[string]string{
				"REDIS_MODE": mode, "REDIS_URL": start(t), "REDIS_WAIT_REPLICAS": "1", "REDIS_DURABILITY": "off",
				"RATE_LIMIT_SERVICE": "1000/s", "RATE_LIMIT_FRONTEND": "1000/s", "EVENT_ALLOW_PRIVATE": "true",
				"EVENT_ENDPOINTS": endpoint.URL + "=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			})
		})
	}
}

// useAllRights runs everything of Kasse that uses Redis.
func (w *processEnv) useAllRights(backend *pushedTypes, settings map[string]string) {
	w.t.Helper()
	code, found := w.checked(settings)
	expect(w.t, "exit code of check", code, 0)
	if strings.Contains(found, "lacks the right") {
		w.t.Errorf("kasse check reports a missing right: %s", found)
	}
	if settings["REDIS_MODE"] == "cluster" {
		w.checkMissingRight(settings)
	}
	all := w.serve(2, settings)
	paid := w.openAndPay(all, "paid", w.customer())
	w.refundAndCapture(all[0], paid)
	wait.UntilTrue(w.t, "the pushed events", func() bool {
		return backend.count("order.paid") == 2 && backend.count("order.refunded") == 1
	})
	for _, p := range all {
		p.terminate()
		expect(w.t, "exit code", p.exitCode(), 0)
		if _, refused, found := strings.Cut(p.stderr.String(), "NOPERM"); found {
			w.t.Errorf("Redis refused a command: %.200s", refused)
		}
	}
	w.mustRun(settings, "reconcile")
	w.mustRun(settings, "show", "-stripe", "paid")
	w.mustRun(settings, "show", "-json", paid.PaymentIntent)
	w.mustRun(settings, "forget", "paid")
	w.mustRun(settings, "events", "endpoints")
	w.mustRun(settings, "rebuild")
}

// checkMissingRight removes a right on the first server of a cluster, and restores it. kasse check
// reports the right and the server.
func (w *processEnv) checkMissingRight(settings map[string]string) {
	w.t.Helper()
	o, err := redis.ParseClusterURL(settings["REDIS_URL"])
	w.noError(err)
	server := redis.NewClient(&redis.Options{Addr: o.Addrs[0]})
	defer server.Close()
	w.noError(server.Do(w.t.Context(), "ACL", "SETUSER", "kasse", "-xadd").Err())
	code, found := w.checked(settings)
	expect(w.t, "exit code of check", code, 1)
	expectLines(w.t, found,
		"wrong    redis: its user lacks the right to use the command xadd on "+o.Addrs[0]+": … docs/redis-acl.md",
	)
	w.noError(server.Do(w.t.Context(), "ACL", "SETUSER", "kasse", "+xadd").Err())
}

// refundAndCapture refunds a payment, and captures another, authorized one.
func (w *processEnv) refundAndCapture(p *process, paid view) {
	w.t.Helper()
	refund := map[string]string{
		"Authorization": "Bearer " + backendKey, "Idempotency-Key": "once", "Content-Type": "application/json",
	}
	address := p.public + "/v1/payments/" + paid.PaymentIntent + "/refunds"
	a, err := call(w.t.Context(), p.client, http.MethodPost, address, refund, "{}")
	if err != nil || a.status != http.StatusCreated {
		w.t.Fatalf("the refund: got %d %s (%v), want 201", a.status, a.body, err)
	}
	body := `{"order_id":"later","amount":4200,"currency":"eur","capture_method":"manual"}`
	held := p.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(w.t)
	w.pay(held, "pm_card_visa")
	p.awaitState(held, "authorized")
	p.must(http.StatusOK, backendKey, http.MethodPost, "/v1/payments/"+held.PaymentIntent+"/capture", "")
	p.awaitState(held, "paid")
	p.awaitState(paid, "refunded")
}

// mustRun runs a command that must succeed, without a refusal by Redis.
func (w *processEnv) mustRun(settings map[string]string, args ...string) {
	w.t.Helper()
	p := w.command(settings, args...)
	if log := p.stderr.String(); p.command.ProcessState.ExitCode() != 0 || strings.Contains(log, "NOPERM") {
		w.t.Errorf("kasse %v: exit code %d, want 0 without NOPERM: %s", args, p.command.ProcessState.ExitCode(), log)
	}
}

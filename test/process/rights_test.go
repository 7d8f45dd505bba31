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

// kasseUser are the arguments of a redis-server that has the user of docs/redis-acl.md.
func kasseUser() []string {
	return append([]string{"--user", "kasse", "on", ">hunter2"}, strings.Fields(store.ACLRule())...)
}

// asKasse names the user in the URL of servers. In one of sentinels that place is their own user's.
func asKasse(url string) string { return strings.Replace(url, "redis://", "redis://kasse:hunter2@", 1) }

// pushedTypes counts the types of the events that are pushed to it.
type pushedTypes struct {
	mu    sync.Mutex
	types map[string]int
}

func (r *pushedTypes) ServeHTTP(_ http.ResponseWriter, request *http.Request) {
	var event struct{ Type string }
	_ = json.NewDecoder(request.Body).Decode(&event)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.types[event.Type]++
}

func (r *pushedTypes) count(kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.types[kind]
}

// TestAsExactlyThatUser does all that Kasse does as the user of docs/redis-acl.md, on a master with a replica, a
// cluster and behind sentinels: the main job, a capture, a refund, pushes, WAIT, check, reconcile and a rebuild.
func TestAsExactlyThatUser(t *testing.T) {
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
			w := newEnv(t, stripesim.Options{Webhooks: []stripesim.Webhook{ourHook}})
			backend := &pushedTypes{types: map[string]int{}}
			endpoint := httptest.NewServer(backend)
			t.Cleanup(endpoint.Close)
			settings := map[string]string{
				"REDIS_MODE": mode, "REDIS_URL": start(t), "REDIS_WAIT_REPLICAS": "1", "REDIS_DURABILITY": "off",
				"RATE_LIMIT_SERVICE": "1000/s", "RATE_LIMIT_FRONTEND": "1000/s", "EVENT_ALLOW_PRIVATE": "true",
				"EVENT_ENDPOINTS": endpoint.URL + "=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
			}
			code, found := w.checked(settings)
			expect(t, "exit code of check", code, 0)
			if strings.Contains(found, "lacks the right") {
				t.Errorf("check found %s", found)
			}
			if mode == "cluster" {
				w.refusesOnOneServer(settings)
			}
			all := w.serve(2, settings)
			paid := w.mainJob(all, "paid", w.customer())
			w.refundAndCapture(all[0], paid)
			wait.Until(
				t, "the pushes",
				func() error { return yet(backend.count("order.paid") == 2 && backend.count("order.refunded") == 1) },
			)
			for _, p := range all {
				p.terminate()
				expect(t, "exit code", p.exitCode(), 0)
				if log := p.stderr.String(); strings.Contains(log, "NOPERM") {
					t.Errorf("something was refused: %s", log[strings.Index(log, "NOPERM"):][:200])
				}
			}
			w.commandAs(settings, "reconcile")
			w.commandAs(settings, "show", "-stripe", "paid")
			w.commandAs(settings, "show", "-json", paid.PaymentIntent)
			w.commandAs(settings, "forget", "paid")
			w.commandAs(settings, "events", "endpoints")
			w.commandAs(settings, "rebuild")
		})
	}
}

// refusesOnOneServer removes a right on the first server of a cluster, which kasse check then names, and
// restores it.
func (w *processEnv) refusesOnOneServer(settings map[string]string) {
	w.t.Helper()
	o, err := redis.ParseClusterURL(settings["REDIS_URL"])
	w.no(err)
	server := redis.NewClient(&redis.Options{Addr: o.Addrs[0]})
	defer server.Close()
	w.no(server.Do(w.t.Context(), "ACL", "SETUSER", "kasse", "-xadd").Err())
	code, found := w.checked(settings)
	expect(w.t, "exit code of check", code, 1)
	lines(
		w.t, found,
		"wrong    redis: its user lacks the right to use the command xadd on "+o.Addrs[0]+": … docs/redis-acl.md",
	)
	w.no(server.Do(w.t.Context(), "ACL", "SETUSER", "kasse", "+xadd").Err())
}

// refundAndCapture refunds a payment, and captures one that was authorized.
func (w *processEnv) refundAndCapture(p *process, paid view) {
	w.t.Helper()
	refund := map[string]string{
		"Authorization": "Bearer " + backendKey, "Idempotency-Key": "once", "Content-Type": "application/json",
	}
	a, err := call(
		w.t.Context(), p.client, http.MethodPost, p.public+"/v1/payments/"+paid.PaymentIntent+"/refunds", refund,
		"{}",
	)
	if err != nil || a.status != http.StatusCreated {
		w.t.Fatalf("the refund: %d %s, %v", a.status, a.body, err)
	}
	body := `{"order_id":"later","amount":4200,"currency":"eur","capture_method":"manual"}`
	held := p.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(w.t)
	w.pay(held, "pm_card_visa")
	p.awaitState(held, "authorized")
	p.must(http.StatusOK, backendKey, http.MethodPost, "/v1/payments/"+held.PaymentIntent+"/capture", "")
	p.awaitState(held, "paid")
	p.awaitState(paid, "refunded")
}

// commandAs runs a command that has to succeed.
func (w *processEnv) commandAs(settings map[string]string, args ...string) {
	w.t.Helper()
	p := w.command(settings, args...)
	if log := p.stderr.String(); p.command.ProcessState.ExitCode() != 0 || strings.Contains(log, "NOPERM") {
		w.t.Errorf("kasse %v ended with %d: %s", args, p.command.ProcessState.ExitCode(), log)
	}
}

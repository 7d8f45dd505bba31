package process_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// rotation is a shop that replaces all its secrets at the same time, by the steps of
// docs/rotation.md.
type rotation struct {
	*processEnv
	admin                *redis.Client
	oldKey, newKey       string // service keys of the backend
	oldSecret, newSecret string // entries of ORDER_TOKEN_SECRETS
	issuer               *issuer
	orders               int    // number of orders so far
	page                 string // docs/rotation.md
}

const (
	newHookSecret = "whsec_processtest_next_1234567890"
	oldPassword   = "old-password-of-redis"
	newPassword   = "new-password-of-redis"
	allScopes     = "read+write+manage+events"
	issuerName    = "https://login.shop.example"
)

// TestRotation follows docs/rotation.md with four generations of one replica, each beside the
// previous one. In every phase both accept all secrets that a caller may have. At the end the old
// secrets are refused.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRotation(t)
	settings := func(keys, hooks, tokens, password string) map[string]string {
		return map[string]string{
			"SERVICE_KEYS": keys, "STRIPE_WEBHOOK_SECRETS": hooks, "ORDER_TOKEN_SECRETS": tokens,
			"REDIS_URL":            strings.Replace(r.redis.URL(), "redis://", "redis://:"+password+"@", 1),
			"ORDER_TOKEN_JWKS_URL": r.issuer.url, "ORDER_TOKEN_ISSUER": issuerName,
		}
	}
	oldEntry, newEntry := keyEntry("backend", r.oldKey, allScopes), r.keygen()
	first := r.serve(1, settings(oldEntry, oldHookSecret, r.oldSecret, oldPassword))[0]
	r.checkWorks(oldHookSecret, "old", r.oldKey, first)
	paid := r.refundOnce(first, r.oldKey, "")

	r.issuer.publish("new")
	r.acl("SETUSER", "default", ">"+newPassword)
	r.acl("SAVE")
	keys, hooks := oldEntry+","+newEntry, oldHookSecret+","+newHookSecret
	second := r.serve(1, settings(keys, hooks, r.oldSecret+","+r.newSecret, newPassword))[0]
	r.checkWorks(oldHookSecret, "old", r.oldKey, first, second)
	// Stripe signs with both secrets, and the replicas fetch the issuer's new key.
	r.checkWorks("", "new", r.oldKey, first, second)
	r.stop(first)

	third := r.serve(1, settings(keys, hooks, r.newSecret+","+r.oldSecret, newPassword))[0]
	for _, key := range []string{r.oldKey, r.newKey} {
		for _, hook := range []string{oldHookSecret, newHookSecret, ""} {
			r.checkWorks(hook, "new", key, second, third)
		}
	}
	r.checkWorks(newHookSecret, "old", r.newKey, second, third)
	r.refundOnce(third, r.newKey, paid)
	r.stop(second)

	oldToken := r.sign(r.oldSecret, "late")
	r.issuer.withdraw("old")
	r.acl("SETUSER", "default", "<"+oldPassword)
	r.acl("SAVE")
	last := r.serve(1, settings(newEntry, newHookSecret, r.newSecret, newPassword))[0]
	r.checkWorks(newHookSecret, "new", r.newKey, third, last)
	r.stop(third)
	r.checkOldSecrets(last, oldToken)
	r.redis.Kill()
	r.redis.Restart() // with the saved users
	last.awaitReady()
	r.checkWorks(newHookSecret, "new", r.newKey, last)
}

// newRotation starts the environment, with the old password of Redis.
func newRotation(t *testing.T) *rotation {
	t.Helper()
	page, err := os.ReadFile("../../docs/rotation.md")
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(users, []byte("user default on >"+oldPassword+" ~* &* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &rotation{
		processEnv: newEnv(t, stripesim.Options{}, append([]string{"--aclfile", users}, keepsWrites...)...),
		oldKey:     backendKey, issuer: newIssuer(t), page: string(page),
		oldSecret: "a:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32))),
		newSecret: "b:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32))),
	}
	r.balancer.sign = signBoth
	options, err := redis.ParseURL(r.redis.URL())
	r.noError(err)
	options.Password = oldPassword
	r.admin = redis.NewClient(options)
	t.Cleanup(func() { r.admin.Close() })
	return r
}

// acl runs a command on Redis. The page must contain it.
func (r *rotation) acl(words ...string) {
	r.t.Helper()
	command := strings.NewReplacer(newPassword, "NEW", oldPassword, "OLD").Replace("ACL " + strings.Join(words, " "))
	if !strings.Contains(strings.ReplaceAll(r.page, "'", ""), "redis-cli "+command) {
		r.t.Errorf("docs/rotation.md does not contain redis-cli %s", command)
	}
	args := []any{"ACL"}
	for _, word := range words {
		args = append(args, word)
	}
	r.noError(r.admin.Do(r.t.Context(), args...).Err())
}

// keygen generates the new key by the page's command, and returns its entry of SERVICE_KEYS.
func (r *rotation) keygen() (entry string) {
	r.t.Helper()
	const command = "kasse keygen -name backend -scopes " + allScopes
	if !strings.Contains(r.page, command) {
		r.t.Errorf("docs/rotation.md does not contain %s", command)
	}
	p := r.command(nil, strings.Fields(command)[1:]...)
	for word := range strings.FieldsSeq(p.stdout.String()) {
		switch {
		case strings.HasPrefix(word, "ksk_"):
			r.newKey = word
		case strings.HasPrefix(strings.TrimPrefix(word, "SERVICE_KEYS="), "backend:"):
			entry = strings.TrimPrefix(word, "SERVICE_KEYS=")
		}
	}
	if r.newKey == "" || entry == "" {
		r.t.Fatalf("keygen printed %s, want a key and its entry", p.stdout.String())
	}
	return entry
}

// checkWorks checks that each replica accepts these credentials: the backend's key, a token of each
// replica, a token of the issuer, and a webhook. With an empty hook Stripe signs with both secrets.
func (r *rotation) checkWorks(hook, issuerKey, key string, replicas ...*process) {
	r.t.Helper()
	for _, p := range replicas {
		r.orders++
		order := fmt.Sprintf("rotated-%d", r.orders)
		v := p.must(
			http.StatusCreated, key, http.MethodPost, "/v1/payments",
			fmt.Sprintf(`{"order_id":%q,"amount":4200,"currency":"eur"}`, order),
		).view(r.t)
		r.deliverSigned(p, hook, v)
		for _, issuing := range replicas {
			r.orders++
			var created struct{ Token string }
			body := fmt.Sprintf(`{"order_id":"by-kasse-%d","amount":4200,"currency":"eur"}`, r.orders)
			issuing.must(http.StatusCreated, key, http.MethodPost, "/v1/order-tokens", body).decode(r.t, &created)
			p.must(http.StatusCreated, created.Token, http.MethodPost, "/v1/payments", "")
		}
		wait.Until(r.t, "a create with a token of the issuer's "+issuerKey+" key", func() error {
			r.orders++
			token := r.issuer.token(issuerKey, fmt.Sprintf("by-issuer-%d", r.orders))
			a, err := p.request(token, http.MethodPost, "/v1/payments", "")
			if err == nil && a.status != http.StatusCreated {
				err = fmt.Errorf("got %d %s", a.status, a.body)
			}
			return err
		})
	}
}

// deliverSigned delivers an event about a payment, signed as Stripe signs in this phase.
func (r *rotation) deliverSigned(p *process, hook string, v view) {
	r.t.Helper()
	body := fmt.Sprintf(`{"id":"evt_rotation%d","object":"event","type":"payment_intent.created","created":%d,`+
		`"api_version":"2024-06-20","data":{"object":{"id":%q,"object":"payment_intent"}}}`,
		r.orders, time.Now().Unix(), v.PaymentIntent)
	signature := stripesim.Sign(hook, time.Now(), []byte(body))
	if hook == "" {
		signature = signBoth(body)
	}
	header := map[string]string{"Stripe-Signature": signature, "Content-Type": "application/json"}
	a, err := call(r.t.Context(), p.client, http.MethodPost, p.public+"/webhooks/stripe", header, body)
	r.noError(err)
	expect(r.t, "status of a webhook", a.status, http.StatusOK)
}

// signBoth signs with both secrets in one header, as Stripe does while it rolls a secret:
// https://docs.stripe.com/webhooks#roll-endpoint-secrets
func signBoth(body string) string {
	now := time.Now()
	second := stripesim.Sign(newHookSecret, now, []byte(body))
	return stripesim.Sign(oldHookSecret, now, []byte(body)) + second[strings.Index(second, ","):]
}

// refundOnce sends a refund, and checks that the payment has exactly one. The first call, without a
// payment, also creates and pays it. Each call has the same Idempotency-Key, and service keys of
// the same name share it.
func (r *rotation) refundOnce(p *process, key, payment string) string {
	r.t.Helper()
	header := map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "application/json", "Idempotency-Key": "one-refund",
	}
	if payment == "" {
		v := p.must(
			http.StatusCreated, key, http.MethodPost, "/v1/payments",
			`{"order_id":"refunded","amount":4200,"currency":"eur"}`,
		).view(r.t)
		r.pay(v, "pm_card_visa")
		wait.UntilTrue(r.t, "the payment as paid", func() bool {
			a := p.must(http.StatusOK, key, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
			return a.view(r.t).State == "paid"
		})
		payment = v.PaymentIntent
	}
	address := p.public + "/v1/payments/" + payment + "/refunds"
	a, err := call(r.t.Context(), p.client, http.MethodPost, address, header, `{"amount":100}`)
	r.noError(err)
	if a.status/100 != 2 {
		r.t.Fatalf("a refund: got %d %s, want success", a.status, a.body)
	}
	var listed struct{ Refunds []struct{ ID string } }
	p.must(http.StatusOK, key, http.MethodGet, "/v1/payments/"+payment+"/refunds", "").decode(r.t, &listed)
	expect(r.t, "number of refunds of the payment", len(listed.Refunds), 1)
	return payment
}

// sign signs an order token, as a backend does that has the secret.
func (r *rotation) sign(entry, order string) string {
	r.t.Helper()
	kid, secret, _ := strings.Cut(entry, ":")
	raw, err := base64.StdEncoding.DecodeString(secret)
	r.noError(err)
	return hs256(kid, raw, claims("", order))
}

// stop stops a replica, as a rolling update does.
func (r *rotation) stop(p *process) {
	r.t.Helper()
	p.terminate()
	expect(r.t, "exit code", p.exitCode(), 0)
}

// checkOldSecrets checks that every old secret is refused.
func (r *rotation) checkOldSecrets(p *process, oldToken string) {
	r.t.Helper()
	p.must(http.StatusUnauthorized, r.oldKey, http.MethodGet, "/v1/orders/refunded", "")
	p.must(http.StatusUnauthorized, oldToken, http.MethodPost, "/v1/payments", "")
	p.must(http.StatusUnauthorized, r.issuer.token("old", "withdrawn"), http.MethodPost, "/v1/payments", "")
	a, err := p.deliver(`{"id":"evt_1","object":"event","type":"payment_intent.created","created":1}`, oldHookSecret)
	r.noError(err)
	expect(r.t, "status of a webhook with the old secret", a.status, http.StatusBadRequest)
	options, err := redis.ParseURL(r.redis.URL())
	r.noError(err)
	options.Password = oldPassword
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.Ping(r.t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		r.t.Errorf("Redis with the old password: got %v, want WRONGPASS", err)
	}
}

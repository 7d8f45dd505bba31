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

// rotation is a shop whose secrets are all replaced at once, by the steps of docs/rotation.md.
type rotation struct {
	*processEnv
	admin            *redis.Client
	oldKey, newKey   string // of the backend
	oldMint, newMint string // entries of ORDER_TOKEN_SECRETS
	issuer           *issuer
	orders           int
	page             string
}

const (
	newHookSecret = "whsec_processtest_next_1234567890"
	oldPassword   = "old-password-of-redis"
	newPassword   = "new-password-of-redis"
	allScopes     = "read+write+manage+events"
	issuerName    = "https://login.shop.example"
)

// TestRotation walks docs/rotation.md: four generations of one replica, each beside the one before. In every phase
// all that a caller may hold works at both, and in the end the old secrets are refused.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRotation(t)
	settings := func(keys, hooks, mints, password string) map[string]string {
		return map[string]string{
			"SERVICE_KEYS": keys, "STRIPE_WEBHOOK_SECRETS": hooks, "ORDER_TOKEN_SECRETS": mints,
			"REDIS_URL":            strings.Replace(r.redis.URL(), "redis://", "redis://:"+password+"@", 1),
			"ORDER_TOKEN_JWKS_URL": r.issuer.url, "ORDER_TOKEN_ISSUER": issuerName,
		}
	}
	oldEntry, newEntry := keyEntry("backend", r.oldKey, allScopes), r.keygen()
	first := r.serve(1, settings(oldEntry, oldHookSecret, r.oldMint, oldPassword))[0]
	r.works(oldHookSecret, "old", r.oldKey, first)
	paid := r.refunds(first, r.oldKey, "")

	r.issuer.publish("new")
	r.acl("SETUSER", "default", ">"+newPassword)
	r.acl("SAVE")
	second := r.serve(
		1, settings(oldEntry+","+newEntry, oldHookSecret+","+newHookSecret, r.oldMint+","+r.newMint, newPassword),
	)[0]
	r.works(oldHookSecret, "old", r.oldKey, first, second)
	r.works("", "new", r.oldKey, first, second) // Stripe signs with both; the issuer's new key is fetched
	r.ends(first)

	third := r.serve(
		1, settings(oldEntry+","+newEntry, oldHookSecret+","+newHookSecret, r.newMint+","+r.oldMint, newPassword),
	)[0]
	for _, key := range []string{r.oldKey, r.newKey} {
		for _, hook := range []string{oldHookSecret, newHookSecret, ""} {
			r.works(hook, "new", key, second, third)
		}
	}
	r.works(newHookSecret, "old", r.newKey, second, third)
	r.refunds(third, r.newKey, paid)
	r.ends(second)

	old := r.mint(r.oldMint, "late")
	r.issuer.withdraw("old")
	r.acl("SETUSER", "default", "<"+oldPassword)
	r.acl("SAVE")
	last := r.serve(1, settings(newEntry, newHookSecret, r.newMint, newPassword))[0]
	r.works(newHookSecret, "new", r.newKey, third, last)
	r.ends(third)
	r.refused(last, old)
	r.redis.Kill()
	r.redis.Restart() // with the users that were saved
	wait.Until(
		t, "readiness after Redis's restart", func() error { return yet(last.probe("/readyz") == http.StatusOK) },
	)
	r.works(newHookSecret, "new", r.newKey, last)
}

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
		processEnv: newEnv(t, stripesim.Options{}, append([]string{
			"--aclfile", users,
		}, keepsWrites...)...), oldKey: backendKey, issuer: newIssuer(t),
		oldMint: "a:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32))),
		newMint: "b:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32))), page: string(page),
	}
	r.balancer.sign = signBoth
	options, err := redis.ParseURL(r.redis.URL())
	r.no(err)
	options.Password = oldPassword
	r.admin = redis.NewClient(options)
	t.Cleanup(func() { r.admin.Close() })
	return r
}

// acl runs one of the page's commands, which has to stand there.
func (r *rotation) acl(words ...string) {
	r.t.Helper()
	shown := strings.NewReplacer(newPassword, "NEW", oldPassword, "OLD").Replace("ACL " + strings.Join(words, " "))
	if !strings.Contains(strings.ReplaceAll(r.page, "'", ""), "redis-cli "+shown) {
		r.t.Errorf("the page does not say %s", shown)
	}
	command := []any{"ACL"}
	for _, word := range words {
		command = append(command, word)
	}
	r.no(r.admin.Do(r.t.Context(), command...).Err())
}

// keygen makes the new key by the page's command, and returns its entry.
func (r *rotation) keygen() (entry string) {
	r.t.Helper()
	const command = "kasse keygen -name backend -scopes " + allScopes
	if !strings.Contains(r.page, command) {
		r.t.Errorf("the page does not say %s", command)
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
		r.t.Fatalf("keygen printed %s", p.stdout.String())
	}
	return entry
}

// works has each of the replicas do the main job with these credentials: the backend's key, a token of its own and
// one that each replica mints, the issuer's token, a webhook. Without a hook Stripe signs with both secrets.
func (r *rotation) works(hook, issued, key string, replicas ...*process) {
	r.t.Helper()
	for _, p := range replicas {
		r.orders++
		order := fmt.Sprintf("rotated-%d", r.orders)
		v := p.must(
			http.StatusCreated, key, http.MethodPost, "/v1/payments",
			fmt.Sprintf(`{"order_id":%q,"amount":4200,"currency":"eur"}`, order),
		).view(r.t)
		r.delivered(p, hook, v)
		for _, minting := range replicas {
			r.orders++
			var minted struct{ Token string }
			body := fmt.Sprintf(`{"order_id":"minted-%d","amount":4200,"currency":"eur"}`, r.orders)
			minting.must(http.StatusCreated, key, http.MethodPost, "/v1/order-tokens", body).decode(r.t, &minted)
			p.must(http.StatusCreated, minted.Token, http.MethodPost, "/v1/payments", "")
		}
		wait.Until(r.t, "the issuer's token signed with its "+issued+" key", func() error {
			r.orders++
			a, err := p.ask(
				r.issuer.token(issued, fmt.Sprintf("issued-%d", r.orders)), http.MethodPost, "/v1/payments", "",
			)
			if err == nil && a.status != http.StatusCreated {
				err = fmt.Errorf("answered %d: %s", a.status, a.body)
			}
			return err
		})
	}
}

// delivered has a replica take an event about a payment, signed as Stripe signs in this phase.
func (r *rotation) delivered(p *process, hook string, v view) {
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
	r.no(err)
	expect(r.t, "answer to a webhook", a.status, http.StatusOK)
}

// signBoth signs with both secrets in one header, as Stripe does after a roll:
// https://docs.stripe.com/webhooks#roll-endpoint-secrets
func signBoth(body string) string {
	now := time.Now()
	second := stripesim.Sign(newHookSecret, now, []byte(body))
	return stripesim.Sign(oldHookSecret, now, []byte(body)) + second[strings.Index(second, ","):]
}

// refunds gives money back with a key. Repeated with another key of the same name it is the same refund.
func (r *rotation) refunds(p *process, key, before string) (refund string) {
	r.t.Helper()
	header := map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "application/json", "Idempotency-Key": "one-refund",
	}
	payment := before
	if before == "" {
		v := p.must(
			http.StatusCreated, key, http.MethodPost, "/v1/payments",
			`{"order_id":"refunded","amount":4200,"currency":"eur"}`,
		).view(r.t)
		r.pay(v, "pm_card_visa")
		wait.Until(r.t, "the payment as paid", func() error {
			seen := p.must(http.StatusOK, key, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "").view(r.t)
			return yet(seen.State == "paid")
		})
		payment = v.PaymentIntent
	}
	a, err := call(
		r.t.Context(), p.client, http.MethodPost, p.public+"/v1/payments/"+payment+"/refunds", header,
		`{"amount":100}`,
	)
	r.no(err)
	if a.status/100 != 2 {
		r.t.Fatalf("a refund was answered %d: %s", a.status, a.body)
	}
	var listed struct{ Refunds []struct{ ID string } }
	p.must(http.StatusOK, key, http.MethodGet, "/v1/payments/"+payment+"/refunds", "").decode(r.t, &listed)
	expect(r.t, "refunds of the payment", len(listed.Refunds), 1)
	return payment
}

// mint makes a token by itself, as a backend that holds the secret does.
func (r *rotation) mint(entry, order string) string {
	r.t.Helper()
	kid, secret, _ := strings.Cut(entry, ":")
	raw, err := base64.StdEncoding.DecodeString(secret)
	r.no(err)
	return hs256(kid, raw, claims("", order))
}

// ends lets a replica leave, as a roll does.
func (r *rotation) ends(p *process) {
	r.t.Helper()
	p.terminate()
	expect(r.t, "exit code", p.exitCode(), 0)
}

// refused looks for the end of every old secret.
func (r *rotation) refused(p *process, oldToken string) {
	r.t.Helper()
	p.must(http.StatusUnauthorized, r.oldKey, http.MethodGet, "/v1/orders/refunded", "")
	p.must(http.StatusUnauthorized, oldToken, http.MethodPost, "/v1/payments", "")
	p.must(http.StatusUnauthorized, r.issuer.token("old", "withdrawn"), http.MethodPost, "/v1/payments", "")
	a, err := p.deliver(`{"id":"evt_1","object":"event","type":"payment_intent.created","created":1}`, oldHookSecret)
	r.no(err)
	expect(r.t, "answer to a webhook with the old secret", a.status, http.StatusBadRequest)
	options, err := redis.ParseURL(r.redis.URL())
	r.no(err)
	options.Password = oldPassword
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.Ping(r.t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		r.t.Errorf("Redis with the old password: %v", err)
	}
}

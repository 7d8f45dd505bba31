package process_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
)

// Secrets beside those of the harness.
const (
	restrictedKey     = "rk_test_processtest0987654321"
	unknownKey        = "ksk_processtest_unknown_abcdefghijklmnopqrs"
	unknownHookSecret = "whsec_processtest_another_shops_123456"
)

// secretPatterns match secrets that the test does not know: those that Stripe has created and no
// caller has got.
var secretPatterns = regexp.MustCompile(
	`_secret_[A-Za-z0-9]{4}|cuss_[A-Za-z0-9]{4}|\b(sk|rk)_(test|live)_[A-Za-z0-9]|` +
		`whsec_[A-Za-z0-9]{4}|ksk_[A-Za-z0-9]{4}`,
)

// leaks returns the secrets in a text: the first characters of each, after the text before it.
func leaks(text string, secrets []string) []string {
	var found []string
	report := func(at, end int) {
		found = append(found, fmt.Sprintf("…%s%s[…]", text[max(0, at-80):at], text[at:min(end, at+12)]))
	}
	for _, secret := range secrets {
		if at := strings.Index(text, secret); at >= 0 {
			report(at, at+len(secret))
		}
	}
	for _, match := range secretPatterns.FindAllStringIndex(text, -1) {
		report(match[0], match[1])
	}
	return found
}

// TestLeaksAreFound: leaks finds every kind of secret, and nothing else.
func TestLeaksAreFound(t *testing.T) {
	planted := []string{
		stripeKey, restrictedKey, hookSecret, backendKey, "sk_live_51Habcdefg", "rk_live_51Habcdefg",
		"pi_3abc_secret_Def456", "cuss_secret_" + "abcdef", "a bare value",
	}
	for _, secret := range planted {
		text := `{"msg":"request failed","error":"stripe: ` + secret + `"}`
		if found := leaks(text, []string{"a bare value"}); len(found) == 0 {
			t.Errorf("leaks does not find %s", secret)
		}
	}
	if found := leaks(`network_error task_force "client_secret":null credential=client_secret`, nil); len(found) > 0 {
		t.Errorf("leaks finds %v in a text without secrets", found)
	}
}

// secretTest is a run that records all responses of the processes.
type secretTest struct {
	*processEnv
	all      []*process
	customer string
	secrets  []string
	answers  []string // responses that must not contain secrets
}

// TestNoSecretLeaks: no log, response or key of Redis contains a secret, except responses that
// return it to its owner. The log level is debug, and the test causes faults of Stripe, of Redis
// and of callers.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Duplicate: 0.2}, keepsWrites...)
	s := &secretTest{processEnv: w, secrets: []string{
		stripeKey, restrictedKey, hookSecret, oldHookSecret, backendKey, readerKey, unknownKey, unknownHookSecret,
	}}
	s.all = append(
		w.serve(1, map[string]string{"STRIPE_TIMEOUT": "1s"}),
		w.serve(1, map[string]string{
			"STRIPE_TIMEOUT": "1s", "STRIPE_SECRET_KEY": restrictedKey, "LOG_FORMAT": "text",
		})...,
	)
	s.customer = w.customer()

	s.payOrders()
	s.sendBadRequests()
	s.deliverBadEvents()
	s.triggerStripeFaults()
	s.killRedis()
	w.noError(w.sim.Drain(t.Context()))
	dump := storetest.DumpAll(t.Context(), w.openRedis())
	for _, p := range s.all {
		s.answers = append(s.answers, p.scrape())
		p.terminate()
		expect(t, "exit code", p.exitCode(), 0)
	}
	s.search(dump)
}

// record records a response for the search.
func (s *secretTest) record(a answer, err error) answer {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
	s.answers = append(s.answers, fmt.Sprintf("%d %v %s", a.status, a.header, a.body))
	return a
}

// sendAtOnce sends requests at the same time, and records their responses.
func (s *secretTest) sendAtOnce(requests []func() (answer, error)) []answer {
	s.t.Helper()
	answers, errs := make([]answer, len(requests)), make([]error, len(requests))
	var all sync.WaitGroup
	for i, request := range requests {
		all.Go(func() { answers[i], errs[i] = request() })
	}
	all.Wait()
	for i := range answers {
		s.record(answers[i], errs[i])
	}
	return answers
}

// create creates a payment, and adds its secrets to the search.
func (s *secretTest) create(p *process, order string) view {
	s.t.Helper()
	v := s.createWithRetries(p, order, s.customer)
	s.secrets = append(s.secrets, v.ClientSecret, v.CustomerSession.ClientSecret)
	return v
}

// payOrders creates, declines and pays an order at each process, and records every kind of read.
func (s *secretTest) payOrders() {
	for i, p := range s.all {
		v := s.create(p, fmt.Sprintf("paid-%d", i))
		s.create(p, v.OrderID)
		var session struct {
			CustomerSession struct {
				ClientSecret string `json:"client_secret"`
			} `json:"customer_session"`
		}
		path := "/v1/payments/" + v.PaymentIntent
		p.must(http.StatusCreated, backendKey, http.MethodPost, path+"/customer-session", "").decode(s.t, &session)
		s.secrets = append(s.secrets, session.CustomerSession.ClientSecret)
		s.pay(v, "pm_card_visa_chargeDeclined")
		p.awaitState(v, "failed")
		s.pay(v, "pm_card_visa")
		p.awaitState(v, "paid")
		for _, read := range []string{path, path + "/history", "/v1/orders/" + v.OrderID, "/v1/events", "/v1/config"} {
			s.record(p.must(http.StatusOK, backendKey, http.MethodGet, read, ""), nil)
		}
		s.record(p.must(http.StatusOK, v.ClientSecret, http.MethodGet, path, ""), nil)
		body := orderBody(v.OrderID, s.customer)
		s.record(p.must(http.StatusConflict, backendKey, http.MethodPost, "/v1/payments", body), nil)
	}
}

// killRedis kills Redis, sends requests without it, and restarts it.
func (s *secretTest) killRedis() {
	v := s.create(s.all[0], "without-redis")
	event := s.intentEvent()
	s.redis.Kill()
	var requests []func() (answer, error)
	for _, p := range s.all {
		requests = append(
			requests,
			func() (answer, error) {
				return p.request(backendKey, http.MethodPost, "/v1/payments", orderBody("without-redis-2", s.customer))
			},
			func() (answer, error) {
				return p.request(v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
			},
			func() (answer, error) { return p.request(backendKey, http.MethodGet, "/v1/events", "") },
			func() (answer, error) { return p.deliver(event, hookSecret) },
		)
	}
	for i, a := range s.sendAtOnce(requests) {
		expect(s.t, fmt.Sprintf("status of request %d without Redis", i), a.status, http.StatusServiceUnavailable)
	}
	s.redis.Restart()
	s.pay(v, "pm_card_visa")
	s.all[1].awaitState(v, "paid")
}

// search searches all output and all stored data for every secret.
func (s *secretTest) search(dump map[string]string) {
	s.t.Helper()
	places := map[string]string{}
	for i, p := range s.all {
		places[fmt.Sprintf("the log of process %d", i)] = p.stdout.String() + p.stderr.String()
	}
	for i, a := range s.answers {
		places[fmt.Sprintf("answer %d", i)] = a
	}
	for key, value := range dump {
		places["Redis's "+key] = key + "\n" + value
	}
	for _, intents := range s.intents() {
		for _, pi := range intents {
			s.secrets = append(s.secrets, pi.ClientSecret)
		}
	}
	slices.Sort(s.secrets)
	s.secrets = slices.Compact(s.secrets)
	size := 0
	for place, text := range places {
		size += len(text)
		for _, leak := range leaks(text, s.secrets) {
			s.t.Errorf("%s contains a secret: %s", place, leak)
		}
	}
	s.t.Logf("searched for %d secrets in %d places, %d bytes", len(s.secrets), len(places), size)
	if len(dump) < 10 || len(s.secrets) < 30 {
		s.t.Errorf("Redis has %d keys, and the test has %d secrets; want at least 10 and 30", len(dump), len(s.secrets))
	}
}

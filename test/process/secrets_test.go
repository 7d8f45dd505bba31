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
	restrictedKey = "rk_test_processtest0987654321"
	strangeKey    = "ksk_processtest_nobodys_abcdefghijklmnopqrs"
	strangeHook   = "whsec_processtest_somebody_elses_12345"
)

// secretShapes find secrets that no list of ours holds: secrets that Stripe made and gave to no caller.
var secretShapes = regexp.MustCompile(
	`_secret_[A-Za-z0-9]{4}|cuss_[A-Za-z0-9]{4}|\b(sk|rk)_(test|live)_[A-Za-z0-9]|whsec_[A-Za-z0-9]{4}|ksk_[A-Za-z0-9]{4}`,
)

// leaks names the secrets that a text holds, without showing them whole.
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
	for _, match := range secretShapes.FindAllStringIndex(text, -1) {
		report(match[0], match[1])
	}
	return found
}

func TestLeaksAreFound(t *testing.T) {
	planted := []string{
		stripeKey, restrictedKey, hookSecret, backendKey, "sk_live_51Habcdefg", "rk_live_51Habcdefg",
		"pi_3abc_secret_Def456", "cuss_secret_" + "abcdef", "a bare value",
	}
	for _, secret := range planted {
		if found := leaks(
			`{"msg":"request failed","error":"stripe: `+secret+`"}`, []string{"a bare value"},
		); len(found) == 0 {
			t.Errorf("%s is not found", secret)
		}
	}
	if found := leaks(`network_error task_force "client_secret":null credential=client_secret`, nil); len(found) > 0 {
		t.Errorf("found where there is nothing: %v", found)
	}
}

// spied is a run whose every word is kept.
type spied struct {
	*processEnv
	all      []*process
	customer string
	secrets  []string
	answers  []string // of all that must not hold secrets
}

// No secret that is in play is ever in a log, in an answer but those that hand it out, or in Redis: not at debug level,
// and not while Stripe, Redis and callers do their worst.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{Duplicate: 0.2}, "--appendonly", "yes", "--appendfsync", "always")
	s := &spied{processEnv: w, secrets: []string{
		stripeKey, restrictedKey, hookSecret, oldHookSecret, backendKey, readerKey, strangeKey, strangeHook,
	}}
	s.all = append(w.serve(1, map[string]string{"STRIPE_TIMEOUT": "1s"}), w.serve(
		1, map[string]string{"STRIPE_TIMEOUT": "1s", "STRIPE_SECRET_KEY": restrictedKey, "LOG_FORMAT": "text"},
	)...)
	s.customer = w.customer()

	s.pays()
	s.asksBadly()
	s.deliversBadly()
	s.meetsFaults()
	s.losesRedis()
	w.no(w.sim.Drain(t.Context()))
	dump := storetest.DumpAll(t.Context(), w.openRedis())
	for _, p := range s.all {
		s.answers = append(s.answers, p.scrape())
		p.terminate()
		expect(t, "exit code", p.exitCode(), 0)
	}
	s.search(dump)
}

// hold records a response for the search.
func (s *spied) hold(a answer, err error) answer {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
	s.answers = append(s.answers, fmt.Sprintf("%d %v %s", a.status, a.header, a.body))
	return a
}

// together sends requests at the same time, and holds their answers.
func (s *spied) together(requests []func() (answer, error)) []answer {
	s.t.Helper()
	answers, errs := make([]answer, len(requests)), make([]error, len(requests))
	var all sync.WaitGroup
	for i, request := range requests {
		all.Go(func() { answers[i], errs[i] = request() })
	}
	all.Wait()
	for i := range answers {
		s.hold(answers[i], errs[i])
	}
	return answers
}

// opens creates a payment and learns its secrets.
func (s *spied) opens(p *process, order string) view {
	s.t.Helper()
	v := s.createPatiently(p, order, s.customer)
	s.secrets = append(s.secrets, v.ClientSecret, v.CustomerSession.ClientSecret)
	return v
}

func (s *spied) pays() {
	for i, p := range s.all {
		v := s.opens(p, fmt.Sprintf("paid-%d", i))
		s.opens(p, v.OrderID)
		var session struct {
			CustomerSession struct {
				ClientSecret string `json:"client_secret"`
			} `json:"customer_session"`
		}
		p.must(
			http.StatusCreated, backendKey, http.MethodPost, "/v1/payments/"+v.PaymentIntent+"/customer-session",
			"",
		).decode(s.t, &session)
		s.secrets = append(s.secrets, session.CustomerSession.ClientSecret)
		s.pay(v, "pm_card_visa_chargeDeclined")
		p.awaitState(v, "failed")
		s.pay(v, "pm_card_visa")
		p.awaitState(v, "paid")
		for _, path := range []string{
			"/v1/payments/" + v.PaymentIntent, "/v1/payments/" + v.PaymentIntent + "/history",
			"/v1/orders/" + v.OrderID, "/v1/events", "/v1/config",
		} {
			s.hold(p.must(http.StatusOK, backendKey, http.MethodGet, path, ""), nil)
		}
		s.hold(p.must(http.StatusOK, v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, ""), nil)
		s.hold(
			p.must(http.StatusConflict, backendKey, http.MethodPost, "/v1/payments", orderBody(v.OrderID, s.customer)),
			nil,
		)
	}
}

// losesRedis kills Redis while callers go on.
func (s *spied) losesRedis() {
	v := s.opens(s.all[0], "without-redis")
	event := s.intentEvent()
	s.redis.Kill()
	var requests []func() (answer, error)
	for _, p := range s.all {
		requests = append(
			requests,
			func() (answer, error) {
				return p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody("gone", s.customer))
			},
			func() (answer, error) {
				return p.ask(v.ClientSecret, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
			},
			func() (answer, error) { return p.ask(backendKey, http.MethodGet, "/v1/events", "") },
			func() (answer, error) { return p.deliver(event, hookSecret) },
		)
	}
	for i, a := range s.together(requests) {
		expect(s.t, fmt.Sprintf("answer %d without Redis", i), a.status, http.StatusServiceUnavailable)
	}
	s.redis.Restart()
	s.pay(v, "pm_card_visa")
	s.all[1].awaitState(v, "paid")
}

// search looks for every secret in all output and all stored data.
func (s *spied) search(dump map[string]string) {
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
			s.t.Errorf("%s holds a secret: %s", place, leak)
		}
	}
	s.t.Logf("looked for %d secrets in %d places, %d bytes", len(s.secrets), len(places), size)
	if len(dump) < 10 || len(s.secrets) < 30 {
		s.t.Error("there was next to nothing to look at")
	}
}

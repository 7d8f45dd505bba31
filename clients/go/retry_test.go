package kasse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	kasse "kasse/clients/go"
)

const serviceKey = "ksk_dev_kasse_kasse_kasse_kasse_kasse_kasse"

// inProcess calls a handler without a network, so that synctest controls the clock.
type inProcess struct{ handler http.HandlerFunc }

// RoundTrip fails where the handler panics with http.ErrAbortHandler, as a closed connection would.
func (p inProcess) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	defer func() {
		if recover() != nil {
			err = io.ErrUnexpectedEOF
		}
	}()
	recorder := httptest.NewRecorder()
	p.handler(recorder, r)
	return recorder.Result(), nil
}

// script answers each request with its next function, and records the time and URL of each.
type script struct {
	t       *testing.T
	begun   time.Time
	answers []http.HandlerFunc
	at      []time.Duration
	paths   []string
}

func (s *script) client() *kasse.Client {
	s.t.Helper()
	s.begun = time.Now()
	o := kasse.Options{HTTPClient: &http.Client{Transport: inProcess{s.serve}}}
	client, err := kasse.New("https://pay.shop.example", serviceKey, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	s.at, s.paths = append(s.at, time.Since(s.begun)), append(s.paths, r.URL.String())
	if len(s.at) > len(s.answers) {
		s.t.Errorf("request %d to %s was not expected", len(s.at), r.URL)
		panic(http.ErrAbortHandler)
	}
	s.answers[len(s.at)-1](w, r)
}

// problem answers as Kasse refuses.
func problem(status int, code string, retryable bool, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		const body = `{"code":%q,"status":%d,"detail":"why","retryable":%t,"request_id":"r1"}`
		_, _ = fmt.Fprintf(w, body, code, status, retryable)
	}
}

func answer(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// within fails unless each request came within its bounds, in seconds since the start.
func (s *script) within(bounds ...[2]float64) {
	s.t.Helper()
	if len(s.at) != len(bounds) {
		s.t.Fatalf("%d requests came, at %v, want %d", len(s.at), s.at, len(bounds))
	}
	for i, bound := range bounds {
		if seconds := s.at[i].Seconds(); seconds < bound[0] || seconds > bound[1] {
			s.t.Errorf("request %d came after %v s, want %v", i+1, seconds, bound)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	dated := problem(503, "store_unavailable", true,
		"Date", "Fri, 27 Nov 2026 20:00:00 GMT", "Retry-After", "Fri, 27 Nov 2026 20:00:09 GMT")
	opened := answer(201, `{"order_id":"o1","client_secret":"pi_1_secret_2"}`)
	for name, test := range map[string]struct {
		first http.HandlerFunc
		again [2]float64
	}{
		"seconds":               {problem(429, "rate_limited", true, "Retry-After", "7"), [2]float64{7, 7}},
		"a date":                {dated, [2]float64{9, 9}},
		"none":                  {problem(504, "stripe_timeout", true), [2]float64{0.75, 1}},
		"a proxy's 502":         {answer(502, "<html>"), [2]float64{0.75, 1}},
		"no answer":             {hangUp, [2]float64{0.75, 1}},
		"the same is under way": {problem(409, "idempotency_in_progress", true), [2]float64{0.75, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := script{t: t, answers: []http.HandlerFunc{test.first, opened}}
				terms := kasse.PaymentCreate{OrderID: "o1", Amount: 1, Currency: "eur"}
				payment, err := s.client().CreatePayment(t.Context(), terms)
				if err != nil || payment.OrderID != "o1" {
					t.Errorf("the create gave %v, %v", payment, err)
				}
				s.within([2]float64{0, 0}, test.again)
			})
		})
	}
}

func TestRefusalsAreNotRepeated(t *testing.T) {
	for _, test := range []struct {
		status int
		code   kasse.ProblemCode
	}{
		{409, kasse.ProblemCodeOrderAlreadyPaid},
		{429, kasse.ProblemCodeAttemptsExhausted},
		{401, kasse.ProblemCodeTokenExpired},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := script{t: t, answers: []http.HandlerFunc{problem(test.status, string(test.code), false)}}
			_, err := s.client().CreatePayment(t.Context(), kasse.PaymentCreate{})
			if !errors.Is(err, test.code) || errors.Is(err, kasse.ProblemCodeInternal) {
				t.Errorf("the error is %v, want %v", err, test.code)
			}
			refused, ok := errors.AsType[*kasse.Error](err)
			if !ok || refused.Status != test.status || refused.RequestID != "r1" {
				t.Errorf("the error is %#v", err)
			}
			s.within([2]float64{0, 0})
		})
	}
}

func TestTriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := problem(503, "store_unavailable", true)
		s := script{t: t, answers: []http.HandlerFunc{away, away, away}}
		if _, err := s.client().Order(t.Context(), "o1"); !errors.Is(err, kasse.ProblemCodeStoreUnavailable) {
			t.Errorf("the error is %v", err)
		}
		s.within([2]float64{0, 0}, [2]float64{0.75, 1}, [2]float64{2.25, 3})
	})
}

func TestContextEndsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := script{t: t, answers: []http.HandlerFunc{problem(429, "rate_limited", true, "Retry-After", "3600")}}
		client := s.client()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := client.Order(ctx, "o1")
		if !errors.Is(err, kasse.ProblemCodeRateLimited) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if waited := time.Since(s.begun); waited != 5*time.Second {
			t.Errorf("it took %v", waited)
		}
	})
}

// TestFollowOutlastsFailures also checks the requests: the first without wait, the others with the
// last version.
func TestFollowOutlastsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unchanged := func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-None-Match") != `"7"` {
				t.Errorf("If-None-Match is %q", r.Header.Get("If-None-Match"))
			}
			w.WriteHeader(http.StatusNotModified)
		}
		s := script{t: t, answers: []http.HandlerFunc{
			hangUp, answer(200, `{"version":7,"state":"pending"}`), unchanged,
			problem(429, "rate_limited", true, "Retry-After", "4"),
			answer(200, `{"version":8,"state":"paid","final":true}`),
		}}
		var states []kasse.State
		for view, err := range s.client().Follow(t.Context(), "pi_1") {
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, view.State)
		}
		if len(states) != 2 || states[1] != kasse.StatePaid {
			t.Errorf("the states are %v", states)
		}
		if s.paths[0] != "https://pay.shop.example/v1/payments/pi_1" || s.paths[2] != s.paths[0]+"?wait=25" {
			t.Errorf("the requests are %v", s.paths)
		}
		s.within(
			[2]float64{0, 0}, [2]float64{0.75, 1}, [2]float64{0.75, 1}, [2]float64{1.25, 1.5},
			[2]float64{5.25, 5.5},
		)
	})
}

// TestFollowPausesAfterTheSameView plays a cache that removes If-None-Match, and a replica that is a
// moment behind.
func TestFollowPausesAfterTheSameView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		same := answer(200, `{"version":7,"state":"pending"}`)
		s := script{t: t, answers: []http.HandlerFunc{
			same, same, same, answer(200, `{"version":6,"state":"open"}`),
			answer(200, `{"version":8,"state":"paid","final":true}`),
		}}
		var states []kasse.State
		for view, err := range s.client().Follow(t.Context(), "pi_1") {
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, view.State)
		}
		if !slices.Equal(states, []kasse.State{"pending", kasse.StatePaid}) {
			t.Errorf("the states are %v", states)
		}
		s.within([2]float64{0, 0}, [2]float64{0, 0}, [2]float64{0.5, 0.5}, [2]float64{1, 1}, [2]float64{1.5, 1.5})
	})
}

func TestFeedGoesOnFromCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := script{t: t, answers: []http.HandlerFunc{
			answer(200, `{"events":[{"id":"a"}],"next":"k1"}`), answer(200, `{"events":[],"next":"k1"}`), hangUp,
			problem(410, "cursor_expired", false),
		}}
		pages := 0
		for page, err := range s.client().Feed(t.Context(), "k0") {
			if err != nil {
				if !errors.Is(err, kasse.ProblemCodeCursorExpired) {
					t.Errorf("the error is %v", err)
				}
				break
			}
			if pages++; page.Next != "k1" || len(page.Events) != 1 {
				t.Errorf("the page is %v", page)
			}
		}
		if pages != 1 || !strings.Contains(s.paths[0], "after=k0") || !strings.Contains(s.paths[3], "after=k1") {
			t.Errorf("%d pages by the requests %v", pages, s.paths)
		}
		s.within([2]float64{0, 0}, [2]float64{0, 0}, [2]float64{0.5, 0.5}, [2]float64{1.25, 1.5})
	})
}

// TestFeedPausesAfterEmptyPage also where the cursor has moved, past events that the filter leaves
// out: each such page costs the server as much as a full one.
func TestFeedPausesAfterEmptyPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := script{t: t, answers: []http.HandlerFunc{
			answer(200, `{"events":[{"id":"a"}],"next":"k1"}`), answer(200, `{"events":[],"next":"k2"}`),
			answer(200, `{"events":[],"next":"k3"}`), answer(200, `{"events":[],"next":"k3"}`),
			answer(200, `{"events":[{"id":"b"}],"next":"k4"}`),
		}}
		var cursors []string
		query := kasse.FeedQuery{After: "k0", Types: []string{"order.paid"}}
		for page, err := range s.client().FeedOf(t.Context(), query) {
			if err != nil {
				t.Fatal(err)
			}
			if cursors = append(cursors, page.Next); page.Next == "k4" {
				break
			}
		}
		if !slices.Equal(cursors, []string{"k1", "k2", "k3", "k4"}) {
			t.Errorf("the pages end at %v", cursors)
		}
		s.within([2]float64{0, 0}, [2]float64{0, 0}, [2]float64{0.5, 0.5}, [2]float64{1, 1}, [2]float64{1.5, 1.5})
	})
}

func TestMistakesOfTheCaller(t *testing.T) {
	secret := "ksk_too_short_hunter2"
	for _, test := range []struct{ base, credential string }{
		{"pay.shop.example", serviceKey},
		{"https://user:pw@pay.shop.example", serviceKey},
		{"https://pay.shop.example", secret},
		{"https://pay.shop.example", ""},
	} {
		_, err := kasse.New(test.base, test.credential, kasse.Options{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("New(%q, …) gives %v", test.base, err)
		}
	}
	s := script{t: t}
	client := s.client()
	for _, id := range []string{"", "..", "pi_1/../x", "pi_1?x"} {
		if _, err := client.Payment(t.Context(), id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
	}
	s.within()
	if shown := fmt.Sprintf("%v %+v %#v", client, *client, client); strings.Contains(shown, serviceKey) {
		t.Errorf("a printed client shows its key: %s", shown)
	}
}

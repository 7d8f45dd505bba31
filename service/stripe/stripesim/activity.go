package stripesim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Activity is one event between the simulator and its callers: a request that the API answered or dropped, a
// try to deliver an event, a plan for the events of a payment, or an event that a plan lost or delayed. It
// contains no body, query or secret, so a page may show it.
type Activity struct {
	Number        int64     `json:"number"` // from 1, without gaps; Reset does not restart it
	Kind          string    `json:"kind"`   // "request", "delivery", "plan", "lost" or "late"
	At            time.Time `json:"at"`     // start time by the clock of Options, which Advance does not move
	Took          float64   `json:"took_ms"`
	Status        int       `json:"status"` // of the response; zero without one
	PaymentIntent string    `json:"payment_intent,omitempty"`

	// Of a request.
	ID             string `json:"id,omitempty"`       // its Request-Id
	Endpoint       string `json:"endpoint,omitempty"` // a route, such as "POST /v1/refunds"
	Caller         string `json:"caller,omitempty"`   // "page" with a publishable key, otherwise "server"
	Agent          string `json:"agent,omitempty"`    // User-Agent, 100 bytes of it at most
	Customer       string `json:"customer,omitempty"` // that it names
	IdempotencyKey string `json:"idempotency_key,omitempty"`
	Replayed       bool   `json:"replayed,omitempty"`
	Code           string `json:"code,omitempty"` // error code of the response

	// Of an event.
	Event  string `json:"event,omitempty"`
	Type   string `json:"type,omitempty"`
	Try    int    `json:"try,omitempty"` // number of the try, from 1
	Thin   bool   `json:"thin,omitempty"`
	Answer string `json:"answer,omitempty"` // first 200 bytes of the endpoint's response

	Plan string `json:"plan,omitempty"` // delivery that PlanEvents was given
}

// activityLogSize is the number of entries that are kept.
const activityLogSize = 10000

// activityLog keeps the last activities. The Server's lock guards it.
type activityLog struct {
	entries []Activity
	last    int64
	added   chan struct{} // closed at the next entry; nil while no caller waits
}

func (l *activityLog) add(entry Activity) {
	l.last++
	entry.Number = l.last
	if len(l.entries) == activityLogSize {
		l.entries = slices.Delete(l.entries, 0, 1)
	}
	l.entries = append(l.entries, entry)
	l.wake()
}

func (l *activityLog) clear() {
	l.entries = nil
	l.wake()
}

func (l *activityLog) wake() {
	if l.added != nil {
		close(l.added)
		l.added = nil
	}
}

// after returns the entries with higher numbers, and a channel that is closed at the next entry.
func (l *activityLog) after(number int64) ([]Activity, <-chan struct{}) {
	if l.added == nil {
		l.added = make(chan struct{})
	}
	first := len(l.entries) - int(min(max(0, l.last-number), int64(len(l.entries))))
	return slices.Clone(l.entries[first:]), l.added
}

// Activity returns the activities after the entry with that number, oldest first, 10,000 at most. If there
// are none it waits until ctx ends.
func (s *Server) Activity(ctx context.Context, after int64) []Activity {
	for {
		s.mu.Lock()
		entries, added := s.account.activity.after(after)
		s.mu.Unlock()
		if len(entries) > 0 {
			return entries
		}
		select {
		case <-added:
		case <-ctx.Done():
			return []Activity{}
		case <-s.done.Done():
			return []Activity{}
		}
	}
}

// longestWait limits a request for activity.
const longestWait = time.Minute

// showActivity handles GET /activity?after=N&wait=25s.
func (s *Server) showActivity(r *http.Request) (any, error) {
	query := r.URL.Query()
	after, err := strconv.ParseInt(either(query.Get("after"), "0"), 10, 64)
	if err != nil {
		return nil, errors.New("after must be a number")
	}
	wait, err := time.ParseDuration(either(query.Get("wait"), "0s"))
	if err != nil || wait > longestWait {
		return nil, errors.New("wait must be a duration of a minute at most, such as 25s")
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	entries := s.Activity(ctx, after)
	next := after
	if len(entries) > 0 {
		next = entries[len(entries)-1].Number
	}
	return document{"activity": entries, "next": next}, nil
}

// record adds a request to the activity.
func (s *Server) record(entry *Request, r *http.Request, body []byte, began time.Time, done answer) {
	publishable, _ := authenticate(r)
	caller := "server"
	if publishable {
		caller = "page"
	}
	agent := r.UserAgent()
	form, _ := url.ParseQuery(r.URL.RawQuery + "&" + string(body))
	var shown struct {
		ID, Object    string
		PaymentIntent any `json:"payment_intent"`
		Error         struct{ Code string }
	}
	_ = json.Unmarshal(done.body, &shown) // a list has none of these members
	intent := either(r.PathValue("intent"), form.Get("payment_intent"))
	if shown.Object == "payment_intent" {
		intent = either(intent, shown.ID)
	} else if named, ok := shown.PaymentIntent.(string); ok {
		intent = either(intent, named)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.activity.add(Activity{
		Kind: "request", At: began, Took: milliseconds(s.opts.Now().Sub(began)), Status: done.status,
		PaymentIntent: intent, ID: entry.ID, Endpoint: entry.Endpoint,
		Caller: caller, Agent: agent[:min(len(agent), 100)],
		Customer: either(r.PathValue("customer"), form.Get("customer")), IdempotencyKey: entry.IdempotencyKey,
		Replayed: done.replay, Code: shown.Error.Code,
	})
}

// noteDelivery adds a try to deliver an event to the activity.
func (s *Server) noteDelivery(d *delivery, began time.Time, status int, answered []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := d.event.activity("delivery", began)
	entry.Took, entry.Status, entry.Try = milliseconds(s.opts.Now().Sub(began)), status, d.failures+1
	entry.Thin = d.thin != nil || d.hook.Thin
	entry.Answer = strings.TrimSpace(string(answered[:min(len(answered), 200)]))
	s.account.activity.add(entry)
}

func (e *event) activity(kind string, at time.Time) Activity {
	return Activity{Kind: kind, At: at, PaymentIntent: e.payment, Event: e.ID, Type: e.Type}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// paymentOf returns the id of the PaymentIntent of an object; empty if there is none.
func paymentOf(about object) string {
	switch is := about.(type) {
	case *intent:
		return is.ID
	case *charge:
		return string(is.PaymentIntent)
	case *refund:
		return string(is.PaymentIntent)
	case *dispute:
		return string(is.PaymentIntent)
	case *review:
		return string(is.PaymentIntent)
	case *altered:
		return paymentOf(is.object)
	}
	return ""
}

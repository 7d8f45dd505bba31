package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// changeNotifier notifies the open pages of a change.
type changeNotifier struct {
	mu      sync.Mutex
	number  int64         // changes so far
	changed chan struct{} // closed at the next change; nil while no page waits
}

func (n *changeNotifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// after returns the number of changes and a channel that is closed at the next one.
func (n *changeNotifier) after() (number int64, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.number, n.changed
}

const (
	pulse      = 15 * time.Second       // between two keep-alive messages of a stream
	gathering  = 100 * time.Millisecond // changes within it are sent as one message
	retryPause = time.Second
)

// streamChanges handles GET /api/changes with server-sent events: the number of changes, now and after each
// change.
func (c *Console) streamChanges(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	for {
		number, changed := c.news.after()
		if _, err := fmt.Fprintf(w, "data: %d\n\n", number); err != nil || stream.Flush() != nil {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-r.Context().Done():
				return
			case <-changed:
				waiting = false
			case <-time.After(pulse):
				if _, err := fmt.Fprint(w, ":\n\n"); err != nil || stream.Flush() != nil {
					return
				}
			}
		}
		if !pause(r.Context(), gathering) {
			return
		}
	}
}

// pause waits for d. It returns false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// activity is a request or an event of the simulator. See stripesim.Activity.
type activity struct {
	Number         int64     `json:"number"`
	Kind           string    `json:"kind"`
	At             time.Time `json:"at"`
	Took           float64   `json:"took_ms"`
	Status         int       `json:"status"`
	PaymentIntent  string    `json:"payment_intent"`
	Endpoint       string    `json:"endpoint"`
	Caller         string    `json:"caller"`
	Agent          string    `json:"agent"`
	Customer       string    `json:"customer"`
	IdempotencyKey string    `json:"idempotency_key"`
	Replayed       bool      `json:"replayed"`
	Code           string    `json:"code"`
	Event          string    `json:"event"`
	Type           string    `json:"type"`
	Try            int       `json:"try"`
	Thin           bool      `json:"thin"`
	Answer         string    `json:"answer"`
	Plan           string    `json:"plan"`
}

// push is an event that Kasse has pushed to the console.
type push struct {
	at       time.Time
	id, kind string
	order    string
	payment  string
}

// mostSeen limits the kept activities and pushes.
const mostSeen = 10000

// seen holds the activities and pushes.
type seen struct {
	mu         sync.Mutex
	activities []activity
	pushes     []push
}

func (s *seen) addActivities(more []activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activities = last(append(s.activities, more...))
}

func (s *seen) addPush(p push) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes = last(append(s.pushes, p))
}

func last[T any](all []T) []T { return all[max(0, len(all)-mostSeen):] }

func (s *seen) all() ([]activity, []push) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.activities), slices.Clone(s.pushes)
}

// followSimulator collects the simulator's activities until ctx ends.
func (c *Console) followSimulator(ctx context.Context) {
	for next := int64(0); ; {
		var page struct {
			Activity []activity
			Next     int64
		}
		path := "/activity?wait=25s&after=" + strconv.FormatInt(next, 10)
		if err := c.callControl(ctx, http.MethodGet, path, nil, &page); err != nil {
			if !pause(ctx, retryPause) {
				return
			}
			continue
		}
		next = page.Next
		if len(page.Activity) > 0 {
			c.seen.addActivities(page.Activity)
			c.news.notify()
		}
	}
}

// followFeed counts each event of Kasse's feed as a change until ctx ends.
func (c *Console) followFeed(ctx context.Context) {
	for after := "latest"; ; {
		var page struct {
			Events []struct{}
			Next   string
		}
		path := "/v1/events?wait=25&after=" + url.QueryEscape(after)
		if err := c.callKasse(ctx, http.MethodGet, path, nil, &page); err != nil {
			after = "latest" // the cursor may belong to another epoch
			if !pause(ctx, retryPause) {
				return
			}
			continue
		}
		after = page.Next
		if len(page.Events) > 0 {
			c.news.notify()
		}
	}
}

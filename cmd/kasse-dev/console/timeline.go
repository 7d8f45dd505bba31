package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one line of an order's timeline.
type row struct {
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // "state", "webhook", "push" or "request"
	Title  string    `json:"title"`
	Detail string    `json:"detail"`
	Bad    bool      `json:"bad"`               // failed
	Took   float64   `json:"took_ms,omitempty"` // duration of a request or webhook
	State  string    `json:"state,omitempty"`   // new state of a change
}

// rank orders rows of the same time: a request, the webhook that it causes, the change after the webhook, the
// push of the change.
var rank = map[string]int{"request": 1, "webhook": 2, "state": 3, "push": 4}

// timeline returns the history of an order, oldest first.
func (c *Console) timeline(ctx context.Context, o order) ([]row, error) {
	rows := []row{}
	intents := map[string]bool{}
	activities, pushes := c.seen.all()
	arrived := arrivals(activities)
	for _, p := range o.payments() {
		intents[p.PaymentIntent] = true
		name := ""
		if len(o.Earlier) > 0 {
			name = fmt.Sprintf("attempt %d: ", p.Attempt)
		}
		changes, err := c.changes(ctx, p, name, arrived)
		if err != nil {
			return nil, err
		}
		rows = append(rows, changes...)
	}
	for _, a := range activities {
		switch {
		case a.Kind != "request" && intents[a.PaymentIntent]:
			rows = append(rows, a.webhook())
		case a.Kind == "request" && (intents[a.PaymentIntent] || c.orderOf(a.IdempotencyKey) == o.ID || o.asksFor(a)):
			rows = append(rows, a.request())
		}
	}
	for _, p := range pushes {
		if p.order == o.ID {
			rows = append(rows, p.row())
		}
	}
	sortRows(rows)
	return rows, nil
}

func sortRows(rows []row) {
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(rank[a.Kind], rank[b.Kind]))
	})
}

// mostRows limits the timeline of all orders.
const mostRows = 300

// showEverything handles GET /api/everything: the last webhooks, pushes and requests, of any order or none.
func (c *Console) showEverything(w http.ResponseWriter, _ *http.Request) {
	rows := []row{}
	activities, pushes := c.seen.all()
	for _, a := range activities {
		r := a.request
		if a.Kind != "request" {
			r = a.webhook
		}
		rows = append(rows, r())
	}
	for _, p := range pushes {
		r := p.row()
		r.Detail = "Of order " + p.order + ". " + r.Detail
		rows = append(rows, r)
	}
	sortRows(rows)
	WriteJSON(w, http.StatusOK, map[string][]row{"timeline": rows[max(0, len(rows)-mostRows):]})
}

func (p push) row() row {
	return row{At: p.at, Kind: "push", Title: p.kind, Detail: "Kasse pushed it. The signature is right."}
}

// arrivals returns the times of the first delivery of each event and of the first request about each payment,
// by their ids.
func arrivals(activities []activity) map[string]time.Time {
	out := map[string]time.Time{}
	for _, a := range activities {
		id := map[string]string{"delivery": a.Event, "request": a.PaymentIntent}[a.Kind]
		if _, known := out[id]; id != "" && !known {
			out[id] = a.At
		}
	}
	return out
}

// changes returns the state changes of a payment. A change's version is its time in milliseconds, more
// precise than `at`. It is Redis's time: a change is not shown before the event that caused it, nor the first
// one before its request. The titles begin with name.
func (c *Console) changes(
	ctx context.Context, p payment, name string, arrived map[string]time.Time,
) ([]row, error) {
	var answer struct {
		History []struct {
			Version         int64
			From, To, Cause string
		}
	}
	if err := c.callKasse(ctx, http.MethodGet, "/v1/payments/"+p.PaymentIntent+"/history", nil, &answer); err != nil {
		return nil, err
	}
	var rows []row
	for _, change := range answer.History {
		r := row{At: time.UnixMilli(change.Version).UTC(), Kind: "state", State: change.To}
		switch change.From {
		case "":
			r.Title = fmt.Sprintf("attempt %d: %s", p.Attempt, change.To)
		case change.To:
			r.Title = name + "still " + change.To
		default:
			r.Title = name + change.From + " → " + change.To
		}
		cause := p.PaymentIntent
		if _, event, found := strings.Cut(change.Cause, " "); found {
			cause = event
		}
		if r.At.Before(arrived[cause]) {
			r.At = arrived[cause]
		}
		r.Detail = "Cause: " + change.Cause
		rows = append(rows, r)
	}
	return rows, nil
}

// webhook returns the row of a Stripe event.
func (a activity) webhook() row {
	r := row{At: a.At, Kind: "webhook", Title: a.Type}
	switch a.Kind {
	case "plan":
		r.Title, r.Detail = "next events: "+a.Plan, "It counts for all events of the payment's next change."
		return r
	case "lost":
		r.Title, r.Detail, r.Bad = a.Type+": lost", "Stripe lists the event but does not deliver it.", true
		return r
	case "late":
		r.Title, r.Detail = a.Type+": delayed", "Stripe delivers the event later."
		return r
	}
	r.Took, r.Bad = a.Took, a.Status/100 != 2
	var answer struct{ Outcome string }
	_ = json.Unmarshal([]byte(a.Answer), &answer)
	switch {
	case a.Status == 0:
		r.Detail = "Kasse did not answer."
	case answer.Outcome == "":
		r.Detail = fmt.Sprintf("Kasse answered %d.", a.Status)
	default:
		r.Detail = fmt.Sprintf("Kasse answered %d: %s.", a.Status, answer.Outcome)
	}
	if a.Thin {
		r.Title += " (thin)"
	}
	if a.Try > 1 {
		r.Detail += fmt.Sprintf(" This was try %d.", a.Try)
	}
	return r
}

// request returns the row of a request to Stripe.
func (a activity) request() row {
	r := row{At: a.At, Kind: "request", Title: a.Endpoint, Took: a.Took, Bad: a.Status == 0 || a.Status >= 400}
	by := "Another server"
	switch {
	case a.Caller == "page":
		by = "The page"
	case strings.Contains(a.Agent, "GoBindings"): // stripe-go; also used by shop backends in Go
		by = "Kasse"
	}
	switch {
	case a.Status == 0:
		r.Detail = by + " asked. Stripe did not answer."
	case a.Code != "":
		r.Detail = fmt.Sprintf("%s asked. Stripe answered %d: %s.", by, a.Status, a.Code)
	default:
		r.Detail = fmt.Sprintf("%s asked. Stripe answered %d.", by, a.Status)
	}
	if a.Replayed {
		r.Detail += " This is the replayed answer of an earlier request with the same key."
	}
	return r
}

// orderOf extracts the order id from an idempotency key of the form kasse:<service>:<order_id>:<attempt>;
// empty for other keys.
func (c *Console) orderOf(key string) string {
	rest, ours := strings.CutPrefix(key, "kasse:"+c.Service+":")
	cut := strings.LastIndexByte(rest, ':')
	if !ours || cut < 0 {
		return ""
	}
	if _, err := strconv.Atoi(rest[cut+1:]); err != nil {
		return "" // a refund's key
	}
	return rest[:cut]
}

// sessionAge is the largest time by which the request of a CustomerSession precedes its payment. Both are
// requested in parallel.
const sessionAge = 2 * time.Second

// asksFor reports whether a request is for a CustomerSession of the order's customer. Such a request does not
// name the order, so a session of another order of the same customer is shown, too.
func (o order) asksFor(a activity) bool {
	return a.Endpoint == "POST /v1/customer_sessions" && o.Payment != nil && a.Customer != "" &&
		a.Customer == o.Payment.Customer && a.At.After(o.payments()[0].CreatedAt.Add(-sessionAge))
}

package stripesim

import (
	"encoding/json"
	"slices"
	"strings"
)

// event is a snapshot of an object at the moment of a change.
type event struct {
	ID              string    `json:"id"`
	Object          string    `json:"object"`
	APIVersion      string    `json:"api_version"`
	Created         unix      `json:"created"`
	Data            eventData `json:"data"`
	Livemode        bool      `json:"livemode"`
	PendingWebhooks int       `json:"pending_webhooks"`
	Request         cause     `json:"request"`
	Type            string    `json:"type"`
}

type eventData struct {
	Object json.RawMessage `json:"object"`
}

func (e *event) id() string { return e.ID }

// emit makes an event of what just happened to an object, unless its fate is never to be made.
func (a *account) emit(kind string, about object) {
	fate := a.mischief.next()
	if fate.dropped {
		return
	}
	snapshot, err := json.Marshal(a.asOf(about))
	if err != nil {
		return
	}
	e := a.record(kind, snapshot)
	a.send(e, fate.delay)
	switch {
	case fate.twin:
		a.send(a.record(kind, snapshot), 0)
	case fate.repeated:
		a.send(e, 0)
	}
}

func (a *account) record(kind string, snapshot json.RawMessage) *event {
	e := &event{
		ID: a.ids.long("evt"), Object: "event", APIVersion: a.opts.APIVersion, Created: a.unix(), Data: eventData{Object: snapshot}, Request: a.cause, Type: kind,
	}
	for _, h := range a.hooks {
		if h.wants(kind) {
			e.PendingWebhooks++
		}
	}
	a.events.add(e)
	return e
}

// chargesMoved is the API version that took a payment's list of charges away and put latest_charge in its place.
const chargesMoved = "2022-11-15"

// asOf renders an object for the endpoint's API version. The one difference imitated is where a PaymentIntent shows its charges.
func (a *account) asOf(about object) any {
	pi, ok := about.(*intent)
	if !ok || a.opts.APIVersion >= chargesMoved {
		return about
	}
	tree, err := plain(pi)
	if err != nil {
		return about
	}
	old, _ := tree.(map[string]any)
	delete(old, "latest_charge")
	data := a.charges.newestFirst(func(ch *charge) bool { return ch.PaymentIntent == text(pi.ID) })
	old["charges"] = document{
		"object": "list", "data": append([]*charge{}, data...), "has_more": false, "total_count": len(data), "url": "/v1/charges?payment_intent=" + pi.ID,
	}
	return old
}

// retrieveEvent answers GET /v1/events/{event}.
func (a *account) retrieveEvent(c *call) (any, error) {
	e, ok := a.events.find(c.PathValue("event"))
	if !ok {
		return nil, missing("event", c.PathValue("event"), "id").withStatus(404)
	}
	return e, nil
}

// listEvents answers GET /v1/events.
func (a *account) listEvents(c *call) (any, error) {
	types := c.params.list("types")
	if c.params.has("type") && types != nil {
		return nil, invalid("", "type", "You may only specify one of these parameters: type, types.")
	}
	return pageOf(c, a.events.newestFirst(func(e *event) bool {
		return c.params.within(e.Created) && (!c.params.has("type") || matchesType(c.params.text("type"), e.Type)) &&
			(types == nil || slices.Contains(types, e.Type))
	}))
}

// matchesType compares an event's type with a name or with a group such as charge.*.
func matchesType(pattern, kind string) bool {
	if group, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(kind, group)
	}
	return pattern == kind
}

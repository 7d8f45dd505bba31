package stripesim

import (
	"encoding/json"
	"slices"
	"strings"
)

// event is a snapshot of an object after a change, as GET /v1/events shows it, in the account's API version.
type event struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	Account         text         `json:"account,omitempty"`
	APIVersion      string       `json:"api_version"`
	Context         *text        `json:"context,omitempty"`
	Created         unix         `json:"created"`
	Data            eventData    `json:"data"`
	Livemode        bool         `json:"livemode"`
	PendingWebhooks int          `json:"pending_webhooks"`
	Request         eventRequest `json:"request"`
	Type            string       `json:"type"`

	snapshots map[string]json.RawMessage // the object in each API version of an endpoint
	about     relatedObject
	payment   string // id of its PaymentIntent; empty if there is none
}

type eventData struct {
	Object json.RawMessage `json:"object"`
}

func (e *event) id() string { return e.ID }

// emit makes an event of a change of an object, unless the fault rates drop it.
func (a *account) emit(kind string, about object) {
	plan := a.eventFaults.next()
	if plan.dropped {
		return
	}
	e := a.newEvent(kind, about)
	if e == nil {
		return
	}
	a.publish(e)
	a.dispatch(e, plan.delay)
	switch {
	case plan.twin:
		if twin := a.newEvent(kind, about); twin != nil {
			a.publish(twin)
			a.send(twin, 0)
		}
	case plan.repeated:
		a.send(e, 0)
	}
}

// newEvent makes an event of an object's current state; nil if it cannot be rendered.
func (a *account) newEvent(kind string, about object) *event {
	e := &event{
		ID: a.ids.long("evt"), Object: "event", APIVersion: a.apiVersion, Created: a.unix(), Request: a.eventRequest,
		Type: kind, snapshots: map[string]json.RawMessage{}, about: relatedTo(about),
		payment: paymentOf(about),
	}
	for _, version := range a.versionsInUse() {
		snapshot, err := a.snapshot(about, version)
		if err != nil {
			return nil
		}
		e.snapshots[version] = snapshot
	}
	e.Data.Object = e.snapshots[a.apiVersion]
	a.addOrigin(e)
	return e
}

// versionsInUse are the API versions of the account and of the endpoints.
func (a *account) versionsInUse() []string {
	out := []string{a.apiVersion}
	for _, h := range a.hooks {
		if h.APIVersion != "" && !slices.Contains(out, h.APIVersion) {
			out = append(out, h.APIVersion)
		}
	}
	return out
}

// publish adds an event to GET /v1/events.
func (a *account) publish(e *event) {
	for _, h := range a.hooks {
		if h.wants(e.Type) {
			e.PendingWebhooks++
		}
	}
	a.events.add(e)
}

// inVersion is the event for an endpoint of the API version.
func (e *event) inVersion(version string) *event {
	snapshot, known := e.snapshots[version]
	if !known || version == e.APIVersion {
		return e
	}
	out := *e
	out.APIVersion, out.Data = version, eventData{Object: snapshot}
	return &out
}

// eventOrigin is the origin that future events name.
type eventOrigin struct {
	// Context is the account of an organisation's event destination: an account's id, "own" for the
	// simulator's, "null", or empty for none.
	Context string `json:"context"`
	// Account is the connected account of a Connect event; empty for none.
	Account string `json:"account"`
}

func (a *account) addOrigin(e *event) {
	e.Account, e.Context = text(a.origin.Account), a.contextFor(a.origin.Context)
}

func (a *account) contextFor(name string) *text {
	value := text(name)
	switch name {
	case "":
		return nil
	case "own":
		value = text(a.ownID)
	case "null":
		value = ""
	}
	return &value
}

// retrieveEvent handles GET /v1/events/{event}.
func (a *account) retrieveEvent(c *call) (any, error) {
	e, ok := a.events.find(c.PathValue("event"))
	if !ok {
		return nil, missing("event", c.PathValue("event"), "id").withStatus(404)
	}
	return e, nil
}

// listedTypes limits the types in one list request. Source:
// https://docs.stripe.com/api/events/list#list_events-types
const listedTypes = 20

// listEvents handles GET /v1/events.
func (a *account) listEvents(c *call) (any, error) {
	types := c.params.list("types")
	if c.params.has("type") && types != nil {
		return nil, invalid("", "type", "You may only specify one of these parameters: type, types.")
	}
	if len(types) > listedTypes {
		return nil, invalid("", "types", "Array types may have at most %d elements.", listedTypes)
	}
	return pageOf(c, a.events.newestFirst(func(e *event) bool {
		return c.params.within(e.Created) &&
			(!c.params.has("type") || matchesType(c.params.text("type"), e.Type)) &&
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

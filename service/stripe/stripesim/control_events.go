package stripesim

import (
	"encoding/json"
	"maps"
	"net/http"
)

// altered is an object of which an event shows some members with other values.
type altered struct {
	object
	members document
}

// MarshalJSON writes the object with the members in place.
func (o *altered) MarshalJSON() ([]byte, error) {
	tree, err := plain(o.object)
	if err != nil {
		return nil, err
	}
	out, _ := tree.(map[string]any)
	maps.Copy(out, o.members)
	return json.Marshal(out)
}

// SetAPIVersion sets the API version of further events, for endpoints that have none of their own.
func (s *Server) SetAPIVersion(version string) error {
	if err := checkVersion(version); err != nil {
		return err
	}
	return s.locked(func(a *account) error {
		a.apiVersion = version
		return nil
	})
}

// SetEventOrigin sets the context and the account that further events have. contextID is an
// account's id, "own" for the simulator's own, "null", or empty for none; accountID is that of a
// Connect event, or empty.
func (s *Server) SetEventOrigin(contextID, accountID string) {
	_ = s.locked(func(a *account) error {
		a.origin = eventOrigin{Context: contextID, Account: accountID}
		return nil
	})
}

// SendEvent sends an event about an object as it is now, with some of its members set to other
// values, and returns the event's id. The object itself does not change. kind is the event's type;
// members may be nil.
func (s *Server) SendEvent(id, kind string, members map[string]any) (event string, err error) {
	err = s.withObject(id, func(a *account, about object) error {
		e := a.newEvent(kind, &altered{about, members})
		if e == nil {
			return serverError()
		}
		a.publish(e)
		a.send(e, 0)
		event = e.ID
		return nil
	})
	return event, err
}

// SendThinEvent sends every endpoint a thin event about an object, also those that take snapshots,
// and returns its id. kind is the type without its v1., such as payment_intent.succeeded.
func (s *Server) SendThinEvent(id, kind string) (event string, err error) {
	err = s.withObject(id, func(a *account, about object) error {
		e := a.newEvent(kind, about)
		if e == nil {
			return serverError()
		}
		thin := e.thin()
		thin.SnapshotEvent = "" // there is none
		event = thin.ID
		for _, h := range a.hooks {
			a.outbox.undelivered++
			a.outbox.ready = append(a.outbox.ready, &delivery{event: e, hook: h, began: a.now(), thin: thin})
		}
		return nil
	})
	return event, err
}

func (s *Server) withObject(id string, work func(*account, object) error) error {
	return s.locked(func(a *account) error {
		about, ok := a.lookup(id).(object)
		if !ok {
			return missing("object", id, "id")
		}
		return work(a, about)
	})
}

// ForceStatus gives a payment, refund or dispute any status, known to Stripe or not; empty is null.
// No event is sent.
func (s *Server) ForceStatus(id, to string) error {
	return s.withObject(id, func(_ *account, about object) error {
		switch is := about.(type) {
		case *intent:
			is.Status = status(to)
		case *refund:
			is.Status = text(to)
		case *dispute:
			is.Status = to
		default:
			return invalid("", "id", "%s has no status to force", id)
		}
		return nil
	})
}

// DenyExpansion makes expanding these properties fail, as for a restricted key without the permission.
// Without arguments it ends that.
func (s *Server) DenyExpansion(properties ...string) {
	_ = s.locked(func(a *account) error {
		a.unexpandable = properties
		return nil
	})
}

type (
	versionBody struct {
		Version string `json:"version"`
	}
	eventBody struct {
		Type string         `json:"type"`
		Set  map[string]any `json:"set,omitempty"` // members that the event shows differently
		Thin bool           `json:"thin,omitempty"`
	}
	expansionBody struct {
		Deny []string `json:"deny"`
	}
)

// eventRoutes steer what events look like.
func (s *Server) eventRoutes() []controlRoute {
	return []controlRoute{
		routeWithBody("POST /api_version", "the API version of further events", versionBody{latestVersion},
			func(_ *http.Request, in versionBody) (any, error) { return ended(s.SetAPIVersion(in.Version)) }),
		routeWithBody("POST /event_origin", "context (an account, own or null) and account of further events",
			eventOrigin{Context: "own"}, func(_ *http.Request, in eventOrigin) (any, error) {
				s.SetEventOrigin(in.Context, in.Account)
				return done, nil
			}),
		routeWithBody("POST /objects/{id}/event", "send an event about an object: thin, or with members set otherwise",
			eventBody{Type: "payment_intent.processing", Set: map[string]any{"status": "requires_source"}},
			func(r *http.Request, in eventBody) (any, error) {
				if in.Thin {
					return named(s.SendThinEvent(r.PathValue("id"), in.Type))
				}
				return named(s.SendEvent(r.PathValue("id"), in.Type, in.Set))
			}),
		routeWithBody("POST /expansion", "properties that cannot be expanded, as for a restricted key",
			expansionBody{[]string{"review"}}, func(_ *http.Request, in expansionBody) (any, error) {
				s.DenyExpansion(in.Deny...)
				return done, nil
			}),
	}
}

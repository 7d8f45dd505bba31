package stripesim_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
)

// TestThinEvents: a thin event has the id of its object. Its destination is not listed as a webhook endpoint.
func TestThinEvents(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{Thin: true})
	b.SetEventOrigin("own", "")
	pi := b.pay("pm_card_visa")
	thin := in.received(b, "v1.payment_intent.succeeded")
	if len(thin) != 1 {
		t.Fatalf("%d thin events", len(thin))
	}
	e := thin[0]
	checkThin(t, e)
	related := e["related_object"].(map[string]any)
	expect(t, "related object", related["id"], any(pi.ID))
	expect(t, "its url", related["url"], any("/v1/payment_intents/"+pi.ID))
	expect(t, "its type", related["type"], any("payment_intent"))
	account := must(b.api.Accounts.Get())(t)
	expect(t, "context", e["context"], any(account.ID))
	if _, err := b.api.Events.Get(e["snapshot_event"].(string), nil); err != nil {
		t.Errorf("the snapshot event: %v", err)
	}
	_, hooks := b.read("/v1/webhook_endpoints")
	contains(t, hooks, `"data": []`)
}

// checkThin checks a thin event against the newest declarations, which have related_object in those of each
// type.
func checkThin(t *testing.T, e map[string]any) {
	t.Helper()
	bare := map[string]any{}
	for name, value := range e {
		if name != "related_object" {
			bare[name] = value
		}
	}
	checkNewest(t, must(json.Marshal(bare))(t))
	if _, err := time.Parse(time.RFC3339, e["created"].(string)); err != nil {
		t.Errorf("created: %v", err)
	}
	if e["data"] != nil {
		t.Errorf("the thin event has data: %v", e)
	}
}

// TestEventsOnDemand: a thin event can also be sent to a snapshot endpoint, and events can show any member
// values.
func TestEventsOnDemand(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	pi := b.open()
	must(b.SendThinEvent(pi.ID, "payment_intent.processing"))(t)
	thin := in.received(b, "v1.payment_intent.processing")
	if len(thin) != 1 {
		t.Fatalf("%d thin events", len(thin))
	}
	checkThin(t, thin[0])
	for i, c := range []struct{ context, account, shown string }{
		{"", "", `"context" absent, "account" absent`},
		{"null", "", `"context" null, "account" absent`},
		{"acct_1other", "", `"context" "acct_1other", "account" absent`},
		{"", "acct_1con", `"context" absent, "account" "acct_1con"`},
	} {
		b.SetEventOrigin(c.context, c.account)
		must(b.SendEvent(pi.ID, "payment_intent.processing", map[string]any{"status": "unknown_status"}))(t)
		seen := in.received(b, "payment_intent.processing")
		if len(seen) != i+1 {
			t.Fatalf("%d events", len(seen))
		}
		last := seen[i]
		expect(t, "origin", shown(last, "context")+", "+shown(last, "account"), c.shown)
		expect(t, "status", last["data"].(map[string]any)["object"].(map[string]any)["status"], any("unknown_status"))
	}
	expect(t, "status of a read", string(b.get(pi.ID).Status), "requires_payment_method")
}

// shown formats a member of an event, or marks it as absent.
func shown(e map[string]any, name string) string {
	value, there := e[name]
	if !there {
		return fmt.Sprintf("%q absent", name)
	}
	raw, _ := json.Marshal(value)
	return fmt.Sprintf("%q %s", name, raw)
}

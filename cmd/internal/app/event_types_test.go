package app

import (
	"os"
	"regexp"
	"testing"
)

// TestEventTypesAreThePage: EventTypes equals the types in docs/events.md, which are generated from the
// rules.
func TestEventTypesAreThePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(
		"(?m)^\\| `(order\\.[a-z_]+|superseded\\.<state>)` \\|",
	).FindAllStringSubmatch(string(page), -1)
	if len(rows) < 10 {
		t.Fatalf("the page lists only %d types", len(rows))
	}
	for _, row := range rows {
		if kind := row[1]; kind != "superseded.<state>" && !KnownEventType(kind) {
			t.Errorf("%s is on the page, and not known", kind)
		}
	}
	for _, kind := range []string{"superseded.paid", "superseded.canceled", "order.reopened"} {
		if !KnownEventType(kind) {
			t.Errorf("%s is not known", kind)
		}
	}
	for _, kind := range []string{
		"", "order", "order.", "paid", "order.Paid", "order.paid ", "superseded.held", "payment_intent.succeeded",
	} {
		if KnownEventType(kind) {
			t.Errorf("%q is known", kind)
		}
	}
}

package stripe

import (
	"os"
	"regexp"
	"testing"

	"kasse/service/payment"
)

// TestEveryEventTypeIsDecoded fails where a type was added to the list and aboutOf has no struct for its object: its
// events would be ignored in silence.
func TestEveryEventTypeIsDecoded(t *testing.T) {
	for _, listed := range payment.StripeEventTypes {
		if aboutOf(listed.Type) == nil {
			t.Errorf("service/payment/stripe_events.go lists %s: aboutOf in service/stripe/event.go needs a case for %q",
				listed.Type, listed.About)
		}
	}
}

// TestStripeTypesTableIsTheList: docs/stripe-types.md is written by JavaScript from a list of its own, which has to say
// the same of each type.
func TestStripeTypesTableIsTheList(t *testing.T) {
	const file = "test/stripe-types/kasse.mjs"
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)export const events = \{(.*?)\n\}`).FindSubmatch(text)
	if table == nil {
		t.Fatalf("%s has no table of events", file)
	}
	words := map[payment.EventNeed]string{
		payment.NeedState: "needed", payment.NeedMoney: "wanted", payment.NeedDetail: "optional",
	}
	said := map[string]string{}
	for _, m := range regexp.MustCompile(`'([a-z_.]+)': (\w+)`).FindAllStringSubmatch(string(table[1]), -1) {
		said[m[1]] = m[2]
	}
	for _, listed := range payment.StripeEventTypes {
		want := words[listed.Need]
		if said[listed.Type] != want {
			t.Errorf("%s says %q of %s: service/payment/stripe_events.go makes it %q",
				file, said[listed.Type], listed.Type, want)
		}
	}
	for name, word := range said {
		if _, known := payment.FindStripeEventType(name); !known && word != "ignored" {
			t.Errorf("%s says %q of %s, which service/payment/stripe_events.go does not list", file, word, name)
		}
	}
}

package payment

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kasse/test/page"
)

// TestEventsPage: docs/events.md lists every type that a change between any two views can have.
func TestEventsPage(t *testing.T) {
	source, err := os.ReadFile("state.go")
	if err != nil {
		t.Fatal(err)
	}
	var states []State
	for _, match := range regexp.MustCompile(`(?m)^\t\w+ +State = "(\w+)"$`).FindAllStringSubmatch(string(source), -1) {
		states = append(states, State(match[1]))
	}
	types := map[string]bool{reopenedEvent: true}
	for _, from := range append([]State{""}, states...) {
		for _, to := range states {
			for _, kind := range typesOf(from, to) {
				types[kind] = true
			}
		}
	}
	var rows [][]string
	for _, state := range states { // in the order of a payment's states, other types last
		if kind := "order." + string(state); types[kind] {
			rows = append(rows, []string{"`" + kind + "`"})
			delete(types, kind)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(types)) {
		rows = append(rows, []string{"`" + kind + "`"})
	}
	page.Table(t, "../../docs/events.md", "| type | when |", rows)
}

// typesOf returns the possible event types of a change between two states, for any other content of view and
// order.
func typesOf(from, to State) (kinds []string) {
	hold := HoldAmount
	view := func(state State) View { return View{PublicView: PublicView{Payment: "pi_1", State: state}} }
	held, fulfillable, refunded, won := view(to), view(to), view(to), view(to)
	held.HoldReason, fulfillable.FulfillableAt, refunded.AmountRefunded = &hold, moment(1), 1
	won.Dispute = &DisputeView{Status: disputeWon}
	for _, after := range []View{view(to), held, fulfillable, refunded, won} {
		for _, superseded := range []bool{false, true} {
			after.Superseded = superseded
			for _, winner := range []ID{"", "pi_1", "pi_2"} {
				o := Order{Winner: winner}
				kind := o.eventType(view(from), after)
				if strings.HasPrefix(kind, "superseded.") {
					kind = "superseded.<state>"
				}
				if kind != "" {
					kinds = append(kinds, kind)
				}
			}
		}
	}
	return kinds
}

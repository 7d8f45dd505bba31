package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"kasse/test/internal/testenv"
)

// oracle keeps all that was ever answered with 2xx, and says what became of it.
type oracle struct {
	mu       sync.Mutex
	events   map[string]testenv.Event // acknowledged, by id
	opened   map[string]string        // the payment that a create was answered with, by order
	shown    map[string]int64         // the highest version that a status answer had, by payment
	fleeting bool                     // a status may be shown that is not kept
	shownIDs map[string]bool          // ids of the entries that the feed has shown

	found              map[string]bool   // of what was acknowledged, what was there whenever it was looked for
	lost, twice, wrong map[string]string // with the reason
}

func newOracle() *oracle {
	return &oracle{
		events: map[string]testenv.Event{}, opened: map[string]string{}, shown: map[string]int64{},
		shownIDs: map[string]bool{}, found: map[string]bool{},
		lost: map[string]string{}, twice: map[string]string{}, wrong: map[string]string{},
	}
}

// delivered keeps an event that was acknowledged.
func (o *oracle) delivered(body, outcome string) {
	var e testenv.Event
	err := json.Unmarshal([]byte(body), &e)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.wrong["event"] = err.Error()
	case outcome == "ignored" && !strings.HasPrefix(
		e.Type, "payment_intent.",
	): // there was no record: a read will list it
	case outcome == "applied" || outcome == "unchanged" || outcome == "unread":
		o.events[e.ID] = e
	default:
		o.wrong[e.ID] = "an event of ours was " + outcome
	}
}

// answered keeps the payment of an order that a create was answered with.
func (o *oracle) answered(order, payment string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, known := o.opened[order]; known && before != payment {
		o.twice[order] = "two payments: " + before + " and " + payment
	}
	o.opened[order] = payment
}

// saw keeps the version of a status answer.
func (o *oracle) saw(payment string, version int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fleeting {
		return
	}
	o.shown[payment] = max(o.shown[payment], version)
}

// noteFeed keeps the entries of a page of the feed.
func (o *oracle) noteFeed(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.shownIDs[id] = true
	}
}

// complain notes what must not be.
func (o *oracle) complain(what, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrong[what] = why
}

// doubled notes what is there twice.
func (o *oracle) doubled(what, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.twice[what] = why
}

// memory is the oracle as it stood at one moment.
func (o *oracle) memory() *oracle {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &oracle{events: maps.Clone(o.events), opened: maps.Clone(o.opened), shown: maps.Clone(o.shown)}
}

// reckon holds what was acknowledged up to the memory against what was in Redis after it. Facts only add up there,
// so that it does not matter what came in between. Later it might: Stripe's next event, or a question to it, covers
// a loss up.
func (o *oracle) reckon(then *oracle, stored testenv.Stored, chains map[string][]testenv.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, e := range then.events {
		o.look(id, missing(e, stored, chains[e.About()]))
	}
	for order, payment := range then.opened {
		why := ""
		if _, there := stored.Payments[payment]; !there || !strings.Contains(stored.Orders[order], payment) {
			why = payment + " was opened, and Redis does not know it"
		}
		o.look(order, why)
	}
	for payment, version := range then.shown {
		why := ""
		if got := stored.Payments[payment].View.Version; got < version {
			why = fmt.Sprintf("version %d was shown, and Redis has %d", version, got)
		}
		o.look("view of "+payment, why)
	}
}

// look notes whether a fact was there. What was lost once stays lost.
func (o *oracle) look(fact, why string) {
	switch _, lost := o.lost[fact]; {
	case why != "":
		o.lost[fact] = why
		delete(o.found, fact)
	case !lost:
		o.found[fact] = true
	}
}

// missing says why an event that was acknowledged is not in the record; empty where it is.
func missing(e testenv.Event, s testenv.Stored, chain []testenv.Event) string {
	kind, r := e.Data.Object.Kind, s.Payments[e.About()]
	switch {
	case kind != "payment_intent" && (s.Reads[e.About()] || strings.Contains(
		r.State, `"unlisted":true`,
	)): // Stripe will be asked
		return ""
	case kind == "refund" && r.View.State == "canceled": // nothing came in, so what Stripe calls a refund is a release
		return ""
	case r.State == "":
		return e.About() + " is not in Redis"
	case strings.Contains(r.State, `"`+e.ID+`"`), kind == "payment_intent" && reached(r, e, chain), kind == "refund" &&
		refunded(r, e.Data.Object):
		return ""
	case kind == "charge": // it names no refund; the refund's own events name it
		return ""
	case kind == "dispute" && strings.Contains(r.State, `"`+e.Data.Object.ID+`"`):
		return ""
	}
	return fmt.Sprintf("%s of %s: Redis shows %s", e.Type, e.About(), r.View.State)
}

// reached reports whether the record shows a point of the payment's life that is no earlier than the event.
func reached(r testenv.Record, e testenv.Event, chain []testenv.Event) bool {
	at := slices.IndexFunc(chain, func(other testenv.Event) bool { return other.ID == e.ID })
	for i, other := range chain {
		if i >= at && other.Data.Object.State() == testenv.Succeeded(r.View.State) {
			return true
		}
	}
	return false
}

// refundRank orders a refund's statuses as it goes through them.
var refundRank = []string{"", "pending", "requires_action", "succeeded", "canceled", "failed"}

// refunded reports whether the record has the refund at least as far as the event has.
func refunded(r testenv.Record, re testenv.Object) bool {
	var state struct {
		Record struct {
			Refunds map[string]struct{ Status string }
		}
	}
	err := json.Unmarshal([]byte(r.State), &state)
	return err == nil && slices.Index(
		refundRank, state.Record.Refunds[re.ID].Status,
	) >= slices.Index(refundRank, re.Status)
}

// review looks through the stream.
func (o *oracle) review(stored testenv.Stored) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := stored.Review(o.shownIDs)
	maps.Copy(o.lost, found.Lost)
	maps.Copy(o.twice, found.Twice)
	maps.Copy(o.wrong, found.Wrong)
}

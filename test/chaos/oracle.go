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

// oracle records everything that was answered with 2xx, and checks that it is still there.
type oracle struct {
	mu         sync.Mutex
	events     map[string]testenv.Event // acknowledged events, by id
	opened     map[string]string        // payment of each answered create, by order
	shown      map[string]int64         // highest version of each payment's status responses
	nonDurable bool                     // responses may show state that is not durable
	shownIDs   map[string]bool          // ids of the feed's entries so far

	found              map[string]bool   // acknowledged facts that every check has found
	lost, twice, wrong map[string]string // facts with the reason
	recoverable        bool              // a lost fact may be found again
}

func newOracle() *oracle {
	return &oracle{
		events: map[string]testenv.Event{}, opened: map[string]string{}, shown: map[string]int64{},
		shownIDs: map[string]bool{}, found: map[string]bool{},
		lost: map[string]string{}, twice: map[string]string{}, wrong: map[string]string{},
	}
}

// recordEvent records an acknowledged event.
func (o *oracle) recordEvent(body, outcome string) {
	var e testenv.Event
	err := json.Unmarshal([]byte(body), &e)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.wrong["event"] = err.Error()
	case outcome == "ignored" && !strings.HasPrefix(e.Type, "payment_intent."):
		// The payment has no record yet. The read that makes one lists its refunds and disputes, too.
	case outcome == "applied" || outcome == "unchanged" || outcome == "unread":
		o.events[e.ID] = e
	default:
		o.wrong[e.ID] = "an event of an own payment was " + outcome
	}
}

// recordCreate records the payment that a create of the order returned.
func (o *oracle) recordCreate(order, payment string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, known := o.opened[order]; known && before != payment {
		o.twice[order] = "two payments: " + before + " and " + payment
	}
	o.opened[order] = payment
}

// recordVersion records the version of a status response.
func (o *oracle) recordVersion(payment string, version int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.nonDurable {
		return
	}
	o.shown[payment] = max(o.shown[payment], version)
}

// recordFeed records the entries of a page of the feed.
func (o *oracle) recordFeed(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.shownIDs[id] = true
	}
}

// addWrong records a violation.
func (o *oracle) addWrong(what, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrong[what] = why
}

// addTwice records a fact that exists twice.
func (o *oracle) addTwice(what, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.twice[what] = why
}

// snapshot copies the oracle's facts of this moment.
func (o *oracle) snapshot() *oracle {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &oracle{events: maps.Clone(o.events), opened: maps.Clone(o.opened), shown: maps.Clone(o.shown)}
}

// verify compares the facts of an earlier snapshot with what Redis held after it. Stored facts only
// accumulate, so writes in between do not matter. A later check could miss a loss, since Stripe's next event
// or a read would repair it.
func (o *oracle) verify(then *oracle, stored testenv.Stored, chains map[string][]testenv.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, e := range then.events {
		o.check(id, missing(e, stored, chains[e.PaymentID()]))
	}
	for order, payment := range then.opened {
		why := ""
		if _, there := stored.Payments[payment]; !there || !strings.Contains(stored.Orders[order], payment) {
			why = payment + " was opened and is not in Redis"
		}
		o.check(order, why)
	}
	for payment, version := range then.shown {
		why := ""
		if got := stored.Payments[payment].View.Version; got < version {
			why = fmt.Sprintf("version %d was shown, and Redis has version %d", version, got)
		}
		o.check("view of "+payment, why)
	}
}

// allLost returns the facts that are lost, with the reasons.
func (o *oracle) allLost() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.lost)
}

// allowRecovery lets later checks remove facts from the lost ones.
func (o *oracle) allowRecovery() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.recoverable = true
}

// check records whether a fact was found. A fact that was lost once stays lost, unless facts are recoverable.
func (o *oracle) check(fact, why string) {
	if o.recoverable {
		delete(o.lost, fact)
	}
	switch _, lost := o.lost[fact]; {
	case why != "":
		o.lost[fact] = why
		delete(o.found, fact)
	case !lost:
		o.found[fact] = true
	}
}

// missing returns why an acknowledged event is not in the record; empty if it is there.
func missing(e testenv.Event, s testenv.Stored, chain []testenv.Event) string {
	kind, r := e.Data.Object.Kind, s.Payments[e.PaymentID()]
	switch {
	case kind != "payment_intent" && (s.Reads[e.PaymentID()] || strings.Contains(r.State, `"unlisted":true`)):
		return "" // a read at Stripe is queued
	case kind == "refund" && r.View.State == "canceled":
		return "" // the payment received no money, so Stripe's refund is the release of an authorization
	case r.State == "":
		return e.PaymentID() + " is not in Redis"
	case strings.Contains(r.State, `"`+e.ID+`"`), kind == "payment_intent" && reached(r, e, chain),
		kind == "refund" && refunded(r, e.Data.Object):
		return ""
	case kind == "charge": // it names no refund; the refund's own events do
		return ""
	case kind == "dispute" && strings.Contains(r.State, `"`+e.Data.Object.ID+`"`):
		return ""
	}
	return fmt.Sprintf("%s of %s: Redis shows %s", e.Type, e.PaymentID(), r.View.State)
}

// reached reports whether the record shows the event's state or a later one.
func reached(r testenv.Record, e testenv.Event, chain []testenv.Event) bool {
	at := slices.IndexFunc(chain, func(other testenv.Event) bool { return other.ID == e.ID })
	for i, other := range chain {
		if i >= at && other.Data.Object.State() == testenv.Succeeded(r.View.State) {
			return true
		}
	}
	return false
}

// refundRank orders the statuses of a refund.
var refundRank = []string{"", "pending", "requires_action", "succeeded", "canceled", "failed"}

// refunded reports whether the record has the refund with the event's status or a later one.
func refunded(r testenv.Record, re testenv.Object) bool {
	var state struct {
		Record struct {
			Refunds map[string]struct{ Status string }
		}
	}
	err := json.Unmarshal([]byte(r.State), &state)
	stored := state.Record.Refunds[re.ID].Status
	return err == nil && slices.Index(refundRank, stored) >= slices.Index(refundRank, re.Status)
}

// reviewStream checks the stream for duplicate and wrong entries.
func (o *oracle) reviewStream(stored testenv.Stored) {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := stored.Review(o.shownIDs)
	maps.Copy(o.lost, found.Lost)
	maps.Copy(o.twice, found.Twice)
	maps.Copy(o.wrong, found.Wrong)
}

package payment

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// PersonForgotten is a fact: the order's attempts must not contain personal data. The order records their
// number, and later data of these attempts from Stripe is stored without personal data. A later attempt is
// not affected.
type PersonForgotten struct{}

func (PersonForgotten) applyTo(o *Order, _ time.Time) {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		o.Forgotten = max(o.Forgotten, a.Number)
		a.Form = ""
		if a.Version > 0 {
			o.need(a.Payment)
		}
	}
}

// Unfinished returns why the order is not finished, as text for an operator; empty if it is finished. An
// unfinished order still needs the personal data, since a repeated form must be the same byte for byte.
func (o *Order) Unfinished(now time.Time) string {
	if o.Lease.Held(now) {
		return "another call is changing it"
	}
	if len(o.Attempts) == 0 {
		return "it has no payment yet"
	}
	for i := range o.Attempts {
		switch a := &o.Attempts[i]; {
		case a.Unknown:
			return fmt.Sprintf("attempt %d is not known; Kasse is searching for it at Stripe", a.Number)
		case a.pending():
			return fmt.Sprintf("Stripe's response to attempt %d is not known; Kasse is searching for it", a.Number)
		case a.Payment != "" && !a.State.Won() && a.State != CanceledState:
			return fmt.Sprintf("payment %s is %s; cancel it, or wait until it has ended", a.Payment, a.State)
		}
	}
	return ""
}

// withoutPerson returns the record without personal data: the shop's metadata, payment method details and the
// receipt. It commutes with merging, so the time of a fact does not matter: metadata decides only the order
// of otherwise equal answers.
func (r Record) withoutPerson() Record {
	r.Charges = nil
	r.Recent, r.Terminal = withoutMetadata(r.Recent), withoutMetadata(r.Terminal)
	if r.Creation != nil && r.Creation.Metadata != nil {
		own := *r.Creation
		own.Metadata = nil
		r.Creation = &own
	}
	if slices.ContainsFunc(r.Reads, func(a Read) bool { return a.Metadata != nil }) {
		var reads []Read
		for _, a := range r.Reads {
			a.Metadata = nil
			reads = newestReads(reads, a) // those that differed in the metadata alone are one now
		}
		r.Reads = reads
	}
	return r
}

func withoutMetadata(all []Observation) []Observation {
	if !slices.ContainsFunc(all, func(s Observation) bool { return s.Metadata != nil }) {
		return all
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].Metadata = nil
	}
	return all
}

// ForgetInView returns a rendered View without what it shows of a person. Belongs is whether the view is of the
// order, and changed whether it is of one of the order's forgotten attempts and showed such a thing.
func (o *Order) ForgetInView(view []byte) (clean []byte, belongs, changed bool, err error) {
	if !strings.Contains(string(view), `"`+string(o.ID)+`"`) {
		return view, false, false, nil
	}
	v, err := DecodeView(view)
	if err != nil || v.Order != o.ID {
		return view, false, false, err
	}
	if v.Attempt > o.Forgotten || !v.showsPerson() {
		return view, true, false, nil
	}
	v.Metadata, v.Method, v.ReceiptURL = map[string]string{}, nil, nil
	return v.encode(), true, true, nil
}

// showsPerson reports whether the view shows what PersonForgotten removes.
func (v View) showsPerson() bool {
	return len(v.Metadata) > 0 || v.Method != nil || v.ReceiptURL != nil
}

// OldestEvent is the moment before which the stream has no event of the loaded payments of the order.
func (o *Order) OldestEvent() time.Time {
	var oldest time.Time
	for _, p := range o.Loaded {
		if made := time.Unix(p.Record.Created, 0); oldest.IsZero() || made.Before(oldest) {
			oldest = made
		}
	}
	if oldest.IsZero() {
		return oldest
	}
	return oldest.Add(-clocksApart)
}

// EventsBetween returns two moments between which all events of the order were appended, by Redis's clock: the making
// of its oldest payment, and its last visible change. They are not known if a payment is not loaded or not known, if
// payments that are no attempts name the order, or if its events were appended again.
func (o *Order) EventsBetween() (first, last time.Time, known bool) {
	if !o.Stored() || o.Forgotten > 0 || o.ForeignCount > 0 || o.hasUnknownAttempt() {
		return first, last, false
	}
	made := int64(0)
	for i := range o.Attempts {
		a := &o.Attempts[i]
		p := o.Loaded[a.Payment]
		switch {
		case a.Refused && a.Payment == "":
			continue
		case p == nil, p.Record.Created == 0:
			return first, last, false
		case made == 0 || p.Record.Created < made:
			made = p.Record.Created
		}
	}
	return time.Unix(made, 0), time.UnixMilli(o.Version), made > 0
}

// clocksApart is the largest lead of Stripe's clock, which dates a PaymentIntent, over Redis's, which dates
// events.
const clocksApart = 24 * time.Hour

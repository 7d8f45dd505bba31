package service

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// historyEntry is one line of a payment's history, as the contract shows it.
type historyEntry struct {
	Version int64     `json:"version"`
	From    *State    `json:"from"`
	To      State     `json:"to"`
	At      time.Time `json:"at"`
	Cause   string    `json:"cause"`
}

// Causes of a change that is no event's.
const (
	causeRead = "read"
	causeAPI  = "api"

	causeRebuild = "rebuild"
)

// write renders the payment, and says what else belongs into the same write. Only a visible change raises the version.
func (p *Payment) write(now time.Time, cause string) (PaymentWrite, error) {
	before, err := p.stored()
	if err != nil {
		return PaymentWrite{}, err
	}
	after := p.render(now)
	after.Version, after.UpdatedAt = before.Version, before.UpdatedAt
	w := PaymentWrite{Payment: *p, Now: now, Version: before.Version, ReadAt: p.readAt(now), Final: after.Final, before: before, after: after}
	if before.State == after.State && bytes.Equal(after.encode(), p.View) {
		return w, nil
	}
	after.Version = max(before.Version+1, now.UnixMilli())
	after.UpdatedAt = time.Unix(now.Unix(), 0).UTC()
	w.Version, w.View, w.after = after.Version, after.encode(), after
	if kind := eventType(before, after, p.Standing); kind != "" {
		w.Event = &Announced{ID: string(p.ID) + "." + strconv.FormatInt(after.Version, 10), Type: kind}
	}
	entry := historyEntry{Version: after.Version, From: optional(before.State), To: after.State, At: after.UpdatedAt, Cause: cause}
	w.History, err = json.Marshal(entry)
	return w, err
}

// stored returns the view of the last write, a zero one before the first.
func (p *Payment) stored() (View, error) {
	if len(p.View) == 0 {
		return View{}, nil
	}
	return decodeView(p.View)
}

// render gives the view, and sets the moment from which the order may be fulfilled, once.
func (p *Payment) render(now time.Time) View {
	v := p.view()
	if v.Fulfillable && p.Standing.FulfillableAt == 0 {
		p.Standing.FulfillableAt = now.Unix()
		v.FulfillableAt = moment(now.Unix())
	}
	return v
}

// readAt returns when the payment needs attention, by Redis's clock: Stripe has to be asked, or told to cancel. Zero
// where nothing is in doubt.
func (p *Payment) readAt(now time.Time) time.Time {
	shown := p.Record.Show()
	switch {
	case p.unwanted(), p.unnoted():
		return now
	case !shown.Wanted:
		return time.Time{}
	}
	if notBefore := time.Unix(shown.NotBefore, 0); notBefore.After(now) {
		return notBefore
	}
	return now
}

// eventType names what backends are told of a visible change; opening a payment is not one.
func eventType(before, after View, s Standing) string {
	switch {
	case before.State == "" && after.State == Pending:
		return ""
	case s.Result == Duplicate && after.State == Paid && !before.State.won():
		return "order.duplicate_payment"
	case s.passedOver():
		return "superseded." + string(after.State)
	case before.FulfillableAt == nil && after.FulfillableAt != nil:
		return "order.paid"
	case before.State == after.State && after.State == PartiallyRefunded && after.AmountRefunded > before.AmountRefunded:
		return "order.partially_refunded"
	case before.State == after.State:
		return "order.updated"
	case after.State == Paid:
		return paidAgain(before, after)
	}
	return "order." + string(after.State)
}

// paidAgain names a change to paid that is not the order's first.
func paidAgain(before, after View) string {
	switch before.State {
	case Disputed, ChargedBack:
		return "order.dispute_won"
	case Refunded, PartiallyRefunded:
		return "order.refund_failed"
	case Pending, ActionRequired, InProgress, Failed, Authorized, CanceledState, Paid:
	}
	if after.HoldReason != nil {
		return "order.held"
	}
	return "order.updated"
}

package payment

import (
	"slices"
	"time"
)

// RefundCall is a backend's call for a refund. It is stored before Stripe is called, so that a repeat gets
// the same refund.
type RefundCall struct {
	Name     string      `json:"name"`             // RefundRequest.Name
	Amount   int64       `json:"amount,omitempty"` // as asked for, in minor units; zero: all that was left
	Reason   string      `json:"reason,omitempty"`
	Form     string      `json:"form,omitempty"`     // what is sent to Stripe, byte for byte, until a refund is known
	Tried    int64       `json:"tried"`              // Unix milliseconds, when the form was last sent
	First    int64       `json:"first"`              // Unix milliseconds, when it was first sent
	Unclear  bool        `json:"unclear,omitempty"`  // Stripe replays a failure: only a list can show what was made
	Refused  bool        `json:"refused,omitempty"`  // Stripe created no refund
	Answered *RefundView `json:"answered,omitempty"` // the refund, as the first answer showed it
	Added    Added       `json:"-"`                  // by a newer program
}

// RefundView is a refund as backends see it; its amount is in minor units. Status is Stripe's, null included.
type RefundView struct {
	ID        RefundID      `json:"id"`
	Amount    int64         `json:"amount"`
	Status    *RefundStatus `json:"status"`
	Reason    *string       `json:"reason"`
	CreatedAt time.Time     `json:"created_at"`
	Added     Added         `json:"-"` // by a newer program
}

// View returns the refund as backends see it.
func (f RefundSeen) View() RefundView {
	return RefundView{
		ID: f.ID, Amount: f.Amount, Status: optional(f.Status), Reason: optional(f.Reason),
		CreatedAt: time.Unix(f.Created, 0).UTC(),
	}
}

// maxRefundCalls bounds the calls kept of one payment. The oldest that are done go first.
const maxRefundCalls = 100

// SameAs reports whether the request asks for the same refund as the call.
func (c *RefundCall) SameAs(r RefundRequest) bool {
	return c.Amount == r.RequestedAmount() && c.Reason == r.Reason
}

func (c *RefundCall) open() bool { return c.Answered == nil && !c.Refused }

// RefundCall returns the call with that name; nil if there is none. It points into the list.
func (p *Payment) RefundCall(name string) *RefundCall {
	if i := slices.IndexFunc(p.Calls, func(c RefundCall) bool { return c.Name == name }); i >= 0 {
		return &p.Calls[i]
	}
	return nil
}

// Recall returns the call that the request repeats; nil if there is none. It uses the stored call, or after a
// loss of Redis the refund that the call made.
func (p *Payment) Recall(r RefundRequest) *RefundCall {
	if call := p.RefundCall(r.Name()); call != nil {
		return call
	}
	for id, refund := range p.Record.Refunds {
		if refund.Call != r.Name() {
			continue
		}
		view := RefundSeen{id, refund}.View()
		call := &RefundCall{Name: refund.Call, Reason: refund.Reason, Answered: &view}
		if r.Amount != nil { // whether it was asked for by its amount is not known
			call.Amount = refund.Amount
		}
		return call
	}
	return nil
}

// MayHideRefund reports whether Stripe may have a refund that is not known here and that sending the call of that name
// would not show: another call has no known outcome, or this one has none and Stripe has forgotten its key or replays a
// failure.
func (p *Payment) MayHideRefund(name string, now time.Time) bool {
	return slices.ContainsFunc(p.Calls, func(c RefundCall) bool { return c.open() && !c.repeatShows(name, now) })
}

// repeatShows reports whether sending the call of that name shows the outcome of this one.
func (c *RefundCall) repeatShows(name string, now time.Time) bool {
	return c.Name == name && !c.Unclear && now.Sub(time.UnixMilli(c.First)) <= keyKept
}

// matchRefunds notes the refunds that have turned up of calls without a known outcome.
func (p *Payment) matchRefunds() {
	for id, refund := range p.Record.Refunds {
		call := p.RefundCall(refund.Call)
		if refund.Call == "" || call == nil || call.Answered != nil {
			continue
		}
		p.Calls = slices.Clone(p.Calls)
		view := RefundSeen{id, refund}.View()
		call = p.RefundCall(refund.Call)
		call.Answered, call.Form, call.Refused, call.Unclear = &view, "", false, false
	}
}

// dropDoneCalls makes room for one more call.
func (p *Payment) dropDoneCalls() {
	for len(p.Calls) >= maxRefundCalls {
		done := slices.IndexFunc(p.Calls, func(c RefundCall) bool { return !c.open() })
		if done < 0 {
			return
		}
		p.Calls = slices.Delete(p.Calls, done, done+1)
	}
}

// RefundReserved is a fact: the call is about to be sent to Stripe with the form.
type RefundReserved struct {
	Payment ID
	Request RefundRequest
	Form    string
}

func (f RefundReserved) applyTo(o *Order, now time.Time) {
	p := o.need(f.Payment)
	if p == nil {
		return
	}
	name := f.Request.Name()
	p.Calls = slices.Clone(p.Calls)
	call := p.RefundCall(name)
	if call == nil {
		p.dropDoneCalls()
		p.Calls = append(p.Calls, RefundCall{
			Name: name, Amount: f.Request.RequestedAmount(), Reason: f.Request.Reason, First: now.UnixMilli(),
		})
		call = &p.Calls[len(p.Calls)-1]
	}
	call.Form, call.Tried, call.Refused = f.Form, now.UnixMilli(), false
}

// RefundFailed is a fact: Stripe refused the call, or replays a failure of it.
type RefundFailed struct {
	Payment  ID
	Name     string
	Refused  bool
	Replayed bool
}

func (f RefundFailed) applyTo(o *Order, _ time.Time) {
	p := o.need(f.Payment)
	if p == nil {
		return
	}
	p.Calls = slices.Clone(p.Calls)
	call := p.RefundCall(f.Name)
	if call == nil || call.Answered != nil {
		return
	}
	call.Refused, call.Unclear = f.Refused, f.Replayed
}

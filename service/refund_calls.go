package service

import (
	"slices"
	"time"
)

// RefundCall is a backend's call to give money back, as it is kept from before Stripe is asked: whoever repeats it gets the same refund.
type RefundCall struct {
	Name     string      `json:"name"`             // hex SHA-256 of the service key's name, the payment and the caller's key
	Amount   int64       `json:"amount,omitempty"` // as asked for, in minor units; zero: all that was left
	Reason   string      `json:"reason,omitempty"`
	Form     string      `json:"form,omitempty"` // what is sent to Stripe, byte for byte, until its answer is known
	Tried    int64       `json:"tried"`          // Unix milliseconds, when the form was last sent
	First    int64       `json:"first"`          // Unix milliseconds, when it was first sent
	Unclear  bool        `json:"unclear,omitempty"`
	Refused  bool        `json:"refused,omitempty"`
	Answered *RefundView `json:"answered,omitempty"` // the refund, as the first answer showed it
}

// maxRefundCalls bounds the calls kept of one payment; the oldest that are done go.
const maxRefundCalls = 100

func (c *RefundCall) sameAs(r RefundRequest) bool {
	return c.Amount == r.asked() && c.Reason == r.Reason
}

func (c *RefundCall) open() bool { return c.Answered == nil && !c.Refused }

// refundCall returns the call of that name, nil where there is none. It lies in the list.
func (p *Payment) refundCall(name string) *RefundCall {
	if i := slices.IndexFunc(p.Calls, func(c RefundCall) bool { return c.Name == name }); i >= 0 {
		return &p.Calls[i]
	}
	return nil
}

// recall returns the call that is repeated, nil where it is none: from what is kept of it, or from the refund that it
// made, where Redis was lost since.
func (p *Payment) recall(r RefundRequest) *RefundCall {
	if call := p.refundCall(r.name()); call != nil {
		return call
	}
	for id, refund := range p.Record.Refunds {
		if refund.Call != r.name() {
			continue
		}
		view := RefundSeen{id, refund}.view()
		call := &RefundCall{Name: refund.Call, Reason: refund.Reason, Answered: &view}
		if r.Amount != nil { // whether it was asked for by its amount is not known
			call.Amount = refund.Amount
		}
		return call
	}
	return nil
}

// hidesRefund reports whether there may be a refund at Stripe that we do not know and that sending the call of that name
// would not tell: another call whose outcome is not known, or this one where Stripe has forgotten its key or replays a
// failure.
func (p *Payment) hidesRefund(name string, now time.Time) bool {
	return slices.ContainsFunc(p.Calls, func(c RefundCall) bool {
		return c.open() && (c.Name != name || c.Unclear || now.Sub(time.UnixMilli(c.First)) > outcomeKept)
	})
}

// matchRefunds notes the refunds that have turned up of calls whose outcome was not known.
func (p *Payment) matchRefunds() {
	for id, refund := range p.Record.Refunds {
		call := p.refundCall(refund.Call)
		if refund.Call == "" || call == nil || call.Answered != nil {
			continue
		}
		p.Calls = slices.Clone(p.Calls)
		view := RefundSeen{id, refund}.view()
		call = p.refundCall(refund.Call)
		call.Answered, call.Form, call.Refused, call.Unclear = &view, "", false, false
	}
}

// dropDoneCalls makes room for one more.
func (p *Payment) dropDoneCalls() {
	for len(p.Calls) >= maxRefundCalls {
		done := slices.IndexFunc(p.Calls, func(c RefundCall) bool { return !c.open() })
		if done < 0 {
			return
		}
		p.Calls = slices.Delete(p.Calls, done, done+1)
	}
}

// exceeded refuses to give back more than is left.
func (p *Payment) exceeded() *Error {
	return &Error{Code: CodeRefundExceedsPayment, Detail: "More would be given back than is left of the payment.", Payment: p.View}
}

func (p *Payment) refunds() []RefundSeen {
	shown := p.Record.Show()
	return p.Record.refunds(shown.Amount, max(shown.AmountReceived, p.Record.Received))
}

// received reports whether money has come that could be given back.
func (p *Payment) received() bool {
	return !p.Record.Empty() && stateOf(p.Record.Show().Snapshot, p.Record.Received).won()
}

// left returns how much of the money received has not been given back, in minor units.
func (p *Payment) left() int64 {
	shown := p.Record.Show()
	received := max(shown.AmountReceived, p.Record.Received)
	return received - p.Record.refunded(shown.Amount, received)
}

// revive gives an order a record again whose own has expired: a payment may be refunded later than that.
func (o *Order) revive(p Payment) {
	if p.Standing.Foreign {
		return
	}
	shown := p.Record.Show().Snapshot
	o.rebuild([]Listed{{Intent: Intent{ID: p.ID, Snapshot: shown}}})
	if p.Standing.Result == Won {
		o.Winner = p.ID
	}
}

package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strconv"
	"time"
)

// Payment is what is kept of one PaymentIntent.
type Payment struct {
	ID         PaymentID `json:"-"`
	Revision   int64     `json:"-"` // raised by every write, also one that changes nothing visible; 0: never stored
	View       []byte    `json:"-"` // as rendered by the last write
	SecretHash string    `json:"-"` // hex SHA-256 of the client secret
	Livemode   bool      `json:"livemode,omitempty"`
	Record     Record    `json:"record"`
	Standing   Standing  `json:"standing"`
}

// PaymentWrite is one compare-and-set of a payment, with all that has to happen in the same write.
type PaymentWrite struct {
	Payment            // Revision is the one that was loaded
	Version int64      // of the view
	History []byte     // an entry of the history, JSON; none when nothing visible changed
	Event   *Announced // an entry of the stream; none when nothing is to be told
	Now     time.Time  // by Redis's clock, when it was loaded
	ReadAt  time.Time  // when a read is wanted; zero: none is
	Final   bool       // the payment may expire, after its retention
}

// Announced is a transition that backends are told of; its data is the view.
type Announced struct {
	ID   string // <payment>.<version>
	Type string // order.<state>, superseded.<state>, …
}

// payments keeps the payments. Every call answers with Redis's own clock, the only one that all replicas share.
type payments interface {
	// LoadPayment returns the payment, with Revision 0 where it was never stored.
	LoadPayment(ctx context.Context, id PaymentID) (Payment, time.Time, error)
	// SavePayment writes all or nothing: it fails with ErrConflict unless the stored revision is the write's.
	SavePayment(ctx context.Context, w PaymentWrite) error
}

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
)

// conflictTries bounds how often one write is tried again after somebody else's.
const conflictTries = 50

// change loads a payment, edits it, and writes it if that made a difference; whoever was faster is merged with. It
// reports whether anything was written. Repeating it is always safe.
func (s *Service) change(ctx context.Context, id PaymentID, cause string, edit func(*Payment) error) (Payment, bool, error) {
	for try := range conflictTries {
		giveWay(ctx, try)
		p, now, err := s.payments.LoadPayment(ctx, id)
		if err != nil {
			return p, false, err
		}
		before := p
		if err := edit(&p); err != nil {
			return p, false, err
		}
		if err := s.settle(ctx, before, &p); err != nil {
			return p, false, err
		}
		if p.Record.Empty() || reflect.DeepEqual(before, p) {
			return p, false, nil
		}
		w, err := p.write(now, cause)
		if err != nil {
			return p, false, err
		}
		err = s.payments.SavePayment(ctx, w)
		switch {
		case err == nil:
			s.observe(ctx, before, w)
			return s.welcome(ctx, before, w.Payment)
		case !errors.Is(err, ErrConflict):
			return p, false, err
		}
	}
	return Payment{}, false, &Error{Code: CodeStoreUnavailable, Detail: "The payment is being changed by too many at once.", Cause: ErrConflict}
}

// giveWay waits a little, and longer at each try, so that many writers of one record do not meet again.
func giveWay(ctx context.Context, try int) {
	if try > 0 {
		pause(ctx, rand.N(time.Duration(try)*time.Millisecond)) //nolint:gosec // no secret
	}
}

// welcome asks the order once more of a payment that was stored for the first time: whoever changed the order just before
// that found no payment to tell.
func (s *Service) welcome(ctx context.Context, before, p Payment) (Payment, bool, error) {
	if before.Revision > 0 || p.Standing.Foreign {
		return p, true, nil
	}
	p, _, err := s.change(ctx, p.ID, causeAPI, func(p *Payment) error { return s.place(ctx, p) })
	return p, true, err
}

// settle tells the order what its payment has come to, before the payment's own write: that it has succeeded, or failed
// once more. To tell it again is a no-op.
func (s *Service) settle(ctx context.Context, before Payment, p *Payment) error {
	if p.Standing.Foreign || p.Record.Empty() {
		return nil
	}
	if len(p.Record.Failures) > len(before.Record.Failures) {
		if err := s.countFailures(ctx, p); err != nil {
			return err
		}
	}
	if p.Standing.Result == "" && stateOf(p.Record.Show().Snapshot, p.Record.Received).won() {
		return s.claim(ctx, p)
	}
	return nil
}

// claim makes a payment that has succeeded the order's winner, if there is none; the order's other payments then have to
// be cancelled.
func (s *Service) claim(ctx context.Context, p *Payment) error {
	order, err := s.changeOrder(ctx, p.Standing.Order, func(o *Order, now time.Time) error {
		if o.Winner != "" {
			return errUnchanged
		}
		o.claim(p.ID, p.Standing.Attempt, p.Record.Show().Amount, now)
		return nil
	})
	if err != nil {
		return err
	}
	p.Standing.Result, p.Standing.Terms = order.result(p.ID), &order.Terms
	if p.Standing.Result != Won {
		return nil
	}
	return s.tellAll(ctx, order, p.ID)
}

// countFailures closes the order where its customer has failed too often. What fails may be known late: by then the open
// payment can be another.
func (s *Service) countFailures(ctx context.Context, p *Payment) error {
	order, err := s.changeOrder(ctx, p.Standing.Order, func(o *Order, _ time.Time) error {
		if !o.countFailures(p.ID, len(p.Record.Failures), s.MaxFailures) {
			return errUnchanged
		}
		return nil
	})
	if err != nil || order.Closed == "" {
		return err
	}
	p.Standing.Closed = true
	return s.tellAll(ctx, order, p.ID)
}

// write renders the payment, and says what else belongs into the same write. Only a visible change raises the version.
func (p *Payment) write(now time.Time, cause string) (PaymentWrite, error) {
	before, err := p.stored()
	if err != nil {
		return PaymentWrite{}, err
	}
	after := p.render(now)
	after.Version, after.UpdatedAt = before.Version, before.UpdatedAt
	w := PaymentWrite{Payment: *p, Now: now, Version: before.Version, ReadAt: p.readAt(now), Final: after.Final}
	if bytes.Equal(after.encode(), p.View) {
		return w, nil
	}
	after.Version = max(before.Version+1, now.UnixMilli())
	after.UpdatedAt = time.Unix(now.Unix(), 0).UTC()
	w.Version, w.View = after.Version, after.encode()
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
	case p.unwanted():
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

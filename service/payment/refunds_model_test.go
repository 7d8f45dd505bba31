package payment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// balance is Stripe's state of a payment's received money, with its refunds and disputes.
type balance struct {
	received int64 // of an amount of 1,000
	refunds  map[RefundID]Refund
	disputes map[DisputeID]Dispute
	old      bool // the API version is from before 2024-10-28: no event names a new refund
}

func (b balance) clone() balance {
	b.refunds, b.disputes = maps.Clone(b.refunds), maps.Clone(b.disputes)
	return b
}

// returned returns the charge's amount_refunded.
func (b balance) returned() (sum int64) {
	for _, r := range b.refunds {
		if r.Status.counts() {
			sum += r.Amount
		}
	}
	return sum
}

// entry is one change of the money that Stripe reports.
type entry struct {
	name string
	can  func(balance) bool
	does func(*balance)
	id   string // of the refund or dispute
	made bool   // the refund is new
	list bool   // no change: a read lists all refunds and disputes
}

func refunding(id RefundID, amount int64, status RefundStatus) entry {
	return entry{
		name: fmt.Sprintf("%s of %d %s", id, amount, status), id: string(id), made: true,
		can:  func(b balance) bool { return b.refunds[id].Status == "" && b.returned()+amount <= 1000 },
		does: func(b *balance) { b.refunds[id] = Refund{Status: status, Amount: amount, Created: 1} },
	}
}

func refundMoves(id RefundID, from, to RefundStatus) entry {
	return entry{
		name: fmt.Sprintf("%s %s", id, to), id: string(id),
		can: func(b balance) bool { return b.refunds[id].Status == from },
		does: func(b *balance) {
			r := b.refunds[id]
			r.Status = to
			b.refunds[id] = r
		},
	}
}

func disputeMoves(id DisputeID, to string, from ...string) entry {
	return entry{
		name: fmt.Sprintf("%s %s", id, to), id: string(id),
		can:  func(b balance) bool { return slices.Contains(from, b.disputes[id].Status) },
		does: func(b *balance) { b.disputes[id] = Dispute{Status: to, Amount: 1000, Created: 1} },
	}
}

var entries = []entry{
	refunding("re_a", 400, "pending"),
	refunding("re_b", 400, "succeeded"),
	refundMoves("re_a", "pending", "succeeded"),
	refundMoves("re_a", "succeeded", "failed"),
	refundMoves("re_a", "pending", "canceled"),
	refundMoves("re_b", "succeeded", "failed"),
	disputeMoves("dp_a", "warning_needs_response", ""),
	disputeMoves("dp_a", "needs_response", "", "warning_needs_response"),
	disputeMoves("dp_a", "under_review", "needs_response"),
	disputeMoves("dp_a", "won", "under_review", "needs_response"),
	disputeMoves("dp_a", "lost", "under_review", "needs_response"),
	disputeMoves("dp_b", "needs_response", ""),
	{name: "all listed", list: true, can: func(balance) bool { return true }, does: func(*balance) {}},
}

// entered is an entry in a history, with the balance after it.
type entered struct {
	entry
	after  balance
	covers int // of a list: how many of the earlier entries were known when it began
}

// TestReturnsExhaustive: every history of refunds and disputes, in every order, ends in Stripe's state, as in
// TestExhaustive. The events are those of new and of old API versions, after a full and after a partial capture. The
// release of a partial capture is a Refund too.
func TestReturnsExhaustive(t *testing.T) {
	for _, start := range []balance{
		{received: 1000}, {received: 1000, old: true}, {received: 600}, {received: 600, old: true},
	} {
		start.refunds, start.disputes = map[RefundID]Refund{}, map[DisputeID]Dispute{}
		if start.received < 1000 {
			start.refunds["re_release"] = Refund{Status: "succeeded", Amount: 1000 - start.received}
		}
		t.Run(fmt.Sprintf("%d old %v", start.received, start.old), func(t *testing.T) {
			t.Parallel()
			var count tally
			walkBalance(t, &count, start, nil)
			t.Logf("%d histories, %d deliveries; a read asked for in %d, a second in %d",
				count.histories.Load(), count.deliveries.Load(), count.asked.Load(), count.askedTwice.Load())
		})
	}
}

func walkBalance(t *testing.T, count *tally, now balance, history []entered) {
	t.Helper()
	if len(history) > 0 {
		for _, m := range allMoments(make([]happened, len(history))) {
			count.histories.Add(1)
			checkBalance(t, count, now, history, m)
		}
	}
	if len(history) == longestHistory()-1 || t.Failed() {
		return
	}
	for _, next := range entries {
		if !next.can(now) {
			continue
		}
		after := now.clone()
		next.does(&after)
		known := []int{len(history)}
		if next.list && len(history) > 0 {
			known = []int{0, len(history) - 1, len(history)}
		}
		for _, covers := range slices.Compact(known) {
			walkBalance(t, count, after, append(slices.Clip(history), entered{next, after, covers}))
		}
	}
}

// money is the refunded amount and the state of a payment.
type money struct {
	refunded int64
	state    State
}

func (b balance) truth() money {
	var disputes []DisputeSeen
	var r Record
	for id, d := range b.disputes {
		r = Merge(r, DisputeSeen{id, d})
	}
	disputes = r.disputes()
	refunded := b.returned() - (1000 - b.received)
	return money{refunded, stateSince(Paid, b.received, refunded, disputes)}
}

func checkBalance(t *testing.T, count *tally, now balance, history []entered, m moments) {
	t.Helper()
	paid := succeeded("ch_1")
	paid.AmountReceived = now.received
	r := everySet(t, count, append(balanceFacts(history, m), event("evt_paid", 1, paid)))
	if now.received < 1000 { // only an event has shown the release
		r = Merge(r, RefundedTotal{At: 1, Event: "evt_release", Amount: 1000 - now.received})
	}
	for asked := 0; ; asked++ {
		shown := r.Resolve()
		if shown.NeedsRead && asked < maxAsked {
			at := max((m.at[len(m.at)-1]+5+m.skew[asked%2])/1000, shown.NotBefore)
			r = mergeAll(r, now.list().facts(at, r.KnownIDs()))
			count.asked.Add(1)
			continue
		}
		p := &Payment{Record: r}
		v := won(p).view(&Attempt{}, p)
		if got := (money{v.AmountRefunded, v.State}); shown.NeedsRead || got != now.truth() {
			var b strings.Builder
			for i, h := range history {
				fmt.Fprintf(&b, "%s at %d s, covers %d\n", h.name, m.stamp(i), h.covers)
			}
			t.Errorf(
				"%safter %d reads the view has %+v, needs a read: %v; Stripe has %+v\n%+v", b.String(), asked, got,
				shown.NeedsRead, now.truth(), r,
			)
		}
		return
	}
}

// won returns an order that the payment has won.
func won(p *Payment) *Order {
	return &Order{
		ID: "order-1", Winner: p.ID, Terms: Terms{Amount: 1000, Currency: "eur"}, Loaded: map[ID]*Payment{p.ID: p},
	}
}

func mergeAll(r Record, facts []RecordFact) Record {
	for _, f := range facts {
		r = Merge(r, f)
	}
	return r
}

// list returns Stripe's lists of refunds and disputes.
func (b balance) list() *Reversals {
	var l Reversals
	for id, r := range b.refunds {
		l.Refunds = append(l.Refunds, RefundSeen{id, r})
	}
	for id, d := range b.disputes {
		l.Disputes = append(l.Disputes, DisputeSeen{id, d})
	}
	return &l
}

// balanceFacts returns what Kasse may learn of a history: one fact for each entry.
func balanceFacts(history []entered, m moments) (list []RecordFact) {
	for i, h := range history {
		at, eventID := m.stamp(i), fmt.Sprintf("evt_%d", (i+1)*37%101)
		refund, isRefund := h.after.refunds[RefundID(h.id)]
		dispute, isDispute := h.after.disputes[DisputeID(h.id)]
		switch {
		case h.list:
			list = append(list, answeredList{h, at, coveredBy(history[:h.covers])})
		case isDispute:
			dispute.At, dispute.Event = at, eventID
			list = append(list, DisputeSeen{DisputeID(h.id), dispute})
		case h.made && h.after.old:
			list = append(list, RefundedTotal{At: at, Event: eventID, Amount: h.after.returned()})
		case isRefund:
			list = append(list, RefundSeen{RefundID(h.id), refund})
		}
	}
	return list
}

func coveredBy(history []entered) (ids []string) {
	for i := range history {
		ids = append(ids, fmt.Sprintf("evt_%d", (i+1)*37%101))
	}
	return ids
}

// answeredList is the response to a read as one fact, since its parts are merged in one write.
type answeredList struct {
	entered
	at     int64
	covers []string
}

func (f answeredList) mergeInto(r *Record) { *r = mergeAll(*r, f.after.list().facts(f.at, f.covers)) }

package payment

import (
	"slices"
	"testing"
	"time"
)

// announcementsCases are facts of one payment, with the event that each announces.
var announcementsCases = []struct {
	name  string
	order Order
	facts []RecordFact // of pi_1
	want  []string     // "": no event
}{
	{"opening is no event", openOrder("pi_1"), []RecordFact{opening(10, pending())}, []string{""}},
	{
		"a first state other than pending is an event", openOrder("pi_1"),
		[]RecordFact{event("1", 10, action(""))},
		[]string{"order.action_required"},
	},
	{
		"each change of state", openOrder("pi_1"),
		[]RecordFact{
			opening(10, pending()), event("1", 20, action("")), event("2", 30, declined("ch_1")),
			event("3", 40, processing("ch_2")), event("4", 50, canceled("ch_2")),
		},
		[]string{"", "order.action_required", "order.failed", "order.processing", "order.canceled"},
	},
	{"authorized", openOrder("pi_1"), []RecordFact{event("1", 10, authorized("ch_1"))}, []string{"order.authorized"}},
	{
		"paid once", openOrder("pi_1"),
		[]RecordFact{
			event("1", 10, succeeded("ch_1")), event("1", 10, succeeded("ch_1")), event("2", 11, succeeded("ch_1")),
		},
		[]string{"order.paid", "", ""},
	},
	{
		"a visible change within a state", openOrder("pi_1"),
		[]RecordFact{event("1", 10, declined("ch_1")), event("2", 20, unauthenticated("ch_1"))},
		[]string{"order.failed", "order.updated"},
	},
	{
		"an update of the amount", openOrder("pi_1"),
		[]RecordFact{opening(10, pending()), read(20, costing(pending(), 1200))},
		[]string{"", "order.updated"},
	},
	{
		"held", openOrder("pi_1"),
		[]RecordFact{event("1", 10, processing("ch_1")), event("2", 20, costing(succeeded("ch_1"), 900))},
		[]string{"order.processing", "order.held"},
	},
	{
		"superseded", openOrder("pi_1", "pi_2"),
		[]RecordFact{opening(10, pending()), event("1", 20, canceled(""))},
		[]string{"", "superseded.canceled"},
	},
	{
		"superseded, and the first success", openOrder("pi_1", "pi_2"),
		[]RecordFact{event("1", 20, succeeded("ch_1"))},
		[]string{"order.paid"},
	},
}

// TestAnnouncements: each fact of a payment announces at most one event, of the type in the table.
func TestAnnouncements(t *testing.T) {
	for _, tt := range announcementsCases {
		t.Run(tt.name, func(t *testing.T) {
			var facts []Fact
			for _, f := range tt.facts {
				facts = append(facts, seenAs("pi_1", 1, f))
			}
			_, events := follow(tt.order, facts...)
			for i, want := range tt.want {
				var types []string
				if want != "" {
					types = []string{want}
				}
				if got := events[i]; !slices.Equal(got, types) {
					t.Errorf("fact %d: announced %v, want %q", i, got, want)
				}
			}
		})
	}
}

// firstFact returns a fact of the order's first attempt.
func firstFact(f RecordFact) Fact { return seenAs("pi_1", 1, f) }

// secondFact returns a fact of the order's second attempt.
func secondFact(f RecordFact) Fact { return seenAs("pi_2", 2, f) }

// ordersAnnounceCases are facts of an order with several payments, with the events that each announces.
var ordersAnnounceCases = []struct {
	name  string
	order Order
	facts []Fact
	want  [][]string
}{
	{
		"a second success", openOrder("pi_1", "pi_2"),
		[]Fact{
			secondFact(event("1", 10, succeeded("ch_2"))), firstFact(event("2", 20, action(""))),
			firstFact(event("3", 30, succeeded("ch_1"))),
		},
		[][]string{{"order.paid"}, {"superseded.action_required"}, {"order.duplicate_payment"}},
	},
	{
		"withdrawn for another attempt: the order is not announced as canceled", openOrder("pi_1"),
		[]Fact{
			firstFact(event("1", 10, action(""))),
			All{Leased{"me", noon.Add(time.Hour)}, Withdrawn{"pi_1"}},
			firstFact(event("2", 20, canceled(""))),
			Reserved{Form: "form"},
			All{secondFact(opening(30, pending())), Released{"me"}},
		},
		[][]string{
			{"order.action_required"},
			{"superseded.action_required"},
			{"superseded.canceled"},
			{},
			{"order.reopened"},
		},
	},
	{
		"withdrawn, and the process has died: the order is canceled", openOrder("pi_1"),
		[]Fact{
			firstFact(opening(10, pending())),
			All{Leased{"me", noon.Add(2500 * time.Millisecond)}, Withdrawn{"pi_1"}},
			firstFact(event("2", 20, canceled(""))),
			firstFact(read(40, canceled(""))),
			minuteLater{firstFact(read(60, canceled("")))},
		},
		[][]string{{}, {"superseded.pending"}, {"superseded.canceled"}, {}, {"order.canceled"}},
	},
	{
		"withdrawn, and paid before the cancel: the mark is cleared", openOrder("pi_1"),
		[]Fact{
			firstFact(opening(10, pending())),
			All{Leased{"me", noon.Add(time.Hour)}, Withdrawn{"pi_1"}},
			All{firstFact(read(20, processing("ch_1"))), Released{"me"}},
		},
		[][]string{{}, {"superseded.pending"}, {"order.processing"}},
	},
	{
		"opened again after a cancel", openOrder("pi_1"),
		[]Fact{firstFact(event("1", 10, canceled(""))), Reserved{Form: "form"}, secondFact(opening(30, pending()))},
		[][]string{{"order.canceled"}, {}, {"superseded.canceled", "order.reopened"}},
	},
	{
		"opened again in another state: the event of that state", openOrder("pi_1"),
		[]Fact{
			firstFact(event("1", 10, canceled(""))),
			Reserved{Form: "form"},
			secondFact(event("2", 30, declined("ch_2"))),
		},
		[][]string{{"order.canceled"}, {}, {"superseded.canceled", "order.failed"}},
	},
	{
		"closing does not supersede", openOrder("pi_1"),
		[]Fact{firstFact(opening(10, pending())), OrderClosed{ClosedByCancel}, firstFact(event("1", 20, canceled("")))},
		[][]string{{}, {}, {"order.canceled"}},
	},
}

// TestOrdersAnnounce: the events of orders with more than one payment are those in the table.
func TestOrdersAnnounce(t *testing.T) {
	for _, tt := range ordersAnnounceCases {
		t.Run(tt.name, func(t *testing.T) {
			o, events := follow(tt.order, tt.facts...)
			for i := range tt.want {
				if !slices.Equal(events[i], tt.want[i]) {
					t.Errorf("fact %d: announced %v, want %v", i, events[i], tt.want[i])
				}
			}
			checkLastWord(t, o)
		})
	}
}

// minuteLater is a fact that is applied as if the first attempt had been withdrawn 62 seconds earlier.
type minuteLater struct{ Fact }

func (f minuteLater) applyTo(o *Order, now time.Time) {
	f.Fact.applyTo(o, now)
	o.Attempts[0].WithdrawnAt -= 62_000
}

// checkLastWord fails the test unless the order's last order.* event agrees with its view.
func checkLastWord(t *testing.T, o Order) {
	t.Helper()
	v, shown := o.View(o.Current())
	word := Word{v.Payment, v.State, v.Fulfillable}
	if o.LastWord == (Word{}) && (!shown || v.State == Pending) {
		return
	}
	if o.LastWord != word {
		t.Errorf("the last word is %+v, the view has %+v", o.LastWord, word)
	}
}

// TestAnnouncementsOfMoneyGivenBack: the event types of refunds and disputes, and of their ends.
func TestAnnouncementsOfMoneyGivenBack(t *testing.T) {
	then, amount := moment(10), HoldAmount
	shown := func(state State, refunded int64, fulfillable *time.Time, hold *Hold, dispute string) View {
		v := View{
			PublicView: PublicView{
				State: state, AmountRefunded: refunded, FulfillableAt: fulfillable, HoldReason: hold,
			},
		}
		if dispute != "" {
			v.Dispute = &DisputeView{Status: dispute}
		}
		return v
	}
	for _, tt := range []struct {
		before, after View
		want          string
	}{
		{shown(Disputed, 0, then, nil, "under_review"), shown(Paid, 0, then, nil, "won"), "order.dispute_won"},
		{shown(ChargedBack, 0, then, nil, "lost"), shown(Paid, 0, then, nil, "won"), "order.dispute_won"},
		{shown(Disputed, 0, then, nil, "needs_response"), shown(Paid, 0, then, nil, "prevented"), "order.updated"},
		{
			shown(ChargedBack, 0, then, nil, "lost"), shown(Disputed, 0, then, nil, "appeal_under_review"),
			"order.disputed",
		},
		{shown(Refunded, 1, then, nil, ""), shown(Paid, 0, then, nil, ""), "order.refund_failed"},
		{shown(PartiallyRefunded, 1, then, nil, ""), shown(Paid, 0, then, nil, ""), "order.refund_failed"},
		{shown(Paid, 0, then, nil, ""), shown(PartiallyRefunded, 1, then, nil, ""), "order.partially_refunded"},
		{
			shown(PartiallyRefunded, 1, then, nil, ""), shown(PartiallyRefunded, 2, then, nil, ""),
			"order.partially_refunded",
		},
		{shown(Paid, 0, nil, &amount, ""), shown(Paid, 0, then, nil, ""), "order.paid"},
		{shown(Disputed, 0, nil, &amount, "under_review"), shown(Paid, 0, nil, &amount, "won"), "order.dispute_won"},
	} {
		o := Order{Winner: tt.after.Payment}
		if got := o.eventType(tt.before, tt.after); got != tt.want {
			t.Errorf("%s to %s: %s, want %s", tt.before.State, tt.after.State, got, tt.want)
		}
	}
}

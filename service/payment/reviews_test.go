package payment

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// opened and closed return what Stripe shows of a review.
func opened(id ReviewID) ReviewSeen { return ReviewSeen{id, Review{Reason: "rule", OpenedAt: 20}} }

func closed(id ReviewID, reason string) ReviewSeen {
	f := opened(id)
	f.Closed, f.ClosedReason = true, reason
	return f
}

func given(amount int64, status RefundStatus) RefundSeen {
	return RefundSeen{"re_1", Refund{Status: status, Amount: amount, Created: 30}}
}

// TestReviewHolds: an open review holds a received payment, and only an approval releases it. An unknown
// reason releases nothing. The hold reasons of a refund or a dispute take precedence.
func TestReviewHolds(t *testing.T) {
	paid := event("evt_1", 20, succeeded("ch_1"))
	for name, tt := range map[string]struct {
		facts []RecordFact
		want  Hold
		shown ReviewID
	}{
		"none":              {nil, "", ""},
		"open":              {[]RecordFact{opened("prv_1")}, HoldInReview, "prv_1"},
		"approved":          {[]RecordFact{closed("prv_1", "approved")}, "", ""},
		"closed, then open": {[]RecordFact{closed("prv_1", "approved"), opened("prv_1")}, "", ""},
		"acknowledged":      {[]RecordFact{opened("prv_1"), closed("prv_1", "acknowledged")}, HoldInReview, ""},
		"refunded":          {[]RecordFact{opened("prv_1"), closed("prv_1", "refunded")}, HoldInReview, ""},
		"unknown reason":    {[]RecordFact{closed("prv_1", "brand_new")}, HoldInReview, ""},
		"no reason":         {[]RecordFact{closed("prv_1", "")}, HoldInReview, ""},
		"a reason follows":  {[]RecordFact{closed("prv_1", ""), closed("prv_1", "approved")}, "", ""},
		"two ends": {
			[]RecordFact{closed("prv_1", "approved"), closed("prv_1", "canceled")}, HoldInReview, "",
		},
		"another is open":  {[]RecordFact{closed("prv_1", "approved"), opened("prv_2")}, HoldInReview, "prv_2"},
		"both approved":    {[]RecordFact{closed("prv_1", "approved"), closed("prv_2", "approved")}, "", ""},
		"money goes back":  {[]RecordFact{closed("prv_1", "refunded"), given(1000, "succeeded")}, HoldRefunded, ""},
		"the refund fails": {[]RecordFact{closed("prv_1", "refunded"), given(1000, "failed")}, HoldInReview, ""},
		"disputed": {
			[]RecordFact{opened("prv_1"), DisputeSeen{"dp_1", Dispute{At: 1, Event: "e1", Status: "needs_response"}}},
			HoldDisputed, "prv_1",
		},
		"the dispute is won": {
			[]RecordFact{closed("prv_1", "disputed"), DisputeSeen{"dp_1", Dispute{At: 1, Event: "e1", Status: "won"}}},
			HoldInReview, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := winnerView(append(tt.facts, paid)...)
			if got := v.HoldReason; (got == nil) != (tt.want == "") || (got != nil && *got != tt.want) ||
				v.Fulfillable != (tt.want == "") {
				t.Errorf("fulfillable %v, held %v, want %q", v.Fulfillable, got, tt.want)
			}
			if (v.Review == nil) != (tt.shown == "") || (v.Review != nil && v.Review.ID != string(tt.shown)) {
				t.Errorf("shown %+v, want %q", v.Review, tt.shown)
			}
		})
	}
	v := winnerView(paid, opened("prv_1"))
	if want := (ReviewView{"prv_1", "rule", time.Unix(20, 0).UTC()}); *v.Review != want {
		t.Errorf("shown %+v, want %+v", *v.Review, want)
	}
}

// reviewSteps are the possible steps of a payment with reviews, each with the steps that it needs before.
var reviewSteps = []struct {
	name  string
	needs []string
	fact  RecordFact
}{
	{"pays", nil, event("evt_1", 20, reviewed(succeeded("ch_1")))},
	{"opens", nil, opened("prv_1")},
	{"approves", []string{"opens"}, closed("prv_1", "approved")},
	{"closes", []string{"opens"}, closed("prv_1", "canceled")},
	{"opens another", []string{"pays"}, opened("prv_2")},
	{"approves another", []string{"opens another"}, closed("prv_2", "approved")},
	{"charge", nil, ChargeSeen{"ch_1", ChargeDetails{At: 20, Type: "card", Brand: "visa", Last4: "4242"}}},
	{"receipt", []string{"charge"}, ChargeSeen{
		"ch_1",
		ChargeDetails{At: 21, Type: "card", Brand: "visa", Last4: "4242", ReceiptURL: "https://pay.example/r"},
	}},
	{"is read", []string{"pays", "opens"}, read(25, reviewed(succeeded("ch_1")), "evt_1")},
}

func reviewed(s Snapshot) Snapshot {
	s.Review = "prv_1"
	return s
}

// TestReviewsInAnyOrder: every history of reviews and charges is delivered in every order. The record and the last
// view depend only on the set. order.paid is sent at most once, and exactly once if the end is fulfillable. The
// last event agrees with the last view.
func TestReviewsInAnyOrder(t *testing.T) {
	var count tally
	walked := map[string]bool{}
	for set := range 1 << len(reviewSteps) {
		var names []string
		var list []RecordFact
		for i, s := range reviewSteps {
			missing := func(name string) bool { return !slices.Contains(names, name) }
			if set>>i&1 == 0 || slices.ContainsFunc(s.needs, missing) || (s.name == "closes" && !missing("approves")) {
				continue
			}
			names, list = append(names, s.name), append(list, s.fact)
		}
		key := fmt.Sprint(names)
		if len(list) == 0 || walked[key] {
			continue
		}
		walked[key] = true
		everySet(t, &count, list)
		if len(list) > 4 { // the views of more facts would take too long
			continue
		}
		var end string
		for order := range permutations(list) {
			v := deliverReviewed(t, names, order)
			v.Version, v.UpdatedAt, v.FulfillableAt = 0, time.Time{}, nil
			if got := string(v.encode()); end == "" {
				end = got
			} else if got != end {
				t.Fatalf("%v: one order ends in\n%s\nanother in\n%s", names, end, got)
			}
		}
	}
}

// deliverReviewed delivers the facts to an order, each twice, and returns the last view.
func deliverReviewed(t *testing.T, names []string, facts []RecordFact) View {
	t.Helper()
	o, _ := openOrder("pi_1").Apply(seenAs("pi_1", 1, opening(10, pending())), noon)
	paid, last := 0, ""
	for i, f := range facts {
		fact := Fact(Learned{"pi_1", []RecordFact{f}})
		switch f.(type) {
		case Event, Read:
			fact = seenAs("pi_1", 1, f)
		}
		var changes Changes
		o, changes = o.Apply(fact, noon.Add(time.Duration(i)*time.Second))
		for _, e := range changes.Events {
			last = e.Type
			if e.Type == "order.paid" {
				paid++
			}
		}
		if _, again := o.Apply(fact, noon.Add(time.Minute)); len(again.Views) > 0 {
			t.Fatalf("%v: a repeated fact changes %+v", names, again.Views)
		}
	}
	v, _ := o.View("pi_1")
	first := v.FulfillableAt != nil
	switch {
	case paid > 1, first != (paid == 1), v.Fulfillable && paid == 0:
		t.Fatalf("%v: order.paid %d times; %s", names, paid, v.encode())
	case last == "order.paid" && !v.Fulfillable, last == "order.held" && v.Fulfillable:
		t.Fatalf("%v: the last event is %s; %s", names, last, v.encode())
	case o.LastWord != (Word{}) && (o.LastWord.State != v.State || o.LastWord.Fulfillable != v.Fulfillable):
		t.Fatalf("%v: the last word is %+v; %s", names, o.LastWord, v.encode())
	}
	return v
}

// TestReviewEvents: a success that is held by a review is announced as held, and its release as paid, since order.paid
// was not announced before. A review that begins after that, and its release, are updates. A payment that becomes known
// with its review already approved is paid at once.
func TestReviewEvents(t *testing.T) {
	paid := seenAs("pi_1", 1, event("evt_1", 20, succeeded("ch_1")))
	learn := func(f RecordFact) Fact { return Learned{"pi_1", []RecordFact{f}} }
	for name, tt := range map[string]struct {
		facts []Fact
		want  [][]string
	}{
		"held, then approved": {
			[]Fact{learn(opened("prv_1")), paid, learn(closed("prv_1", "approved"))},
			[][]string{{"order.updated"}, {"order.held"}, {"order.paid"}},
		},
		"held, then refunded": {
			[]Fact{learn(opened("prv_1")), paid, learn(closed("prv_1", "refunded")), learn(given(1000, "succeeded"))},
			[][]string{{"order.updated"}, {"order.held"}, {"order.updated"}, {"order.refunded"}},
		},
		"reviewed after it was paid": {
			[]Fact{paid, learn(opened("prv_1")), learn(closed("prv_1", "approved"))},
			[][]string{{"order.paid"}, {"order.updated"}, {"order.updated"}},
		},
		"approved before": {[]Fact{learn(closed("prv_1", "approved")), paid}, [][]string{{}, {"order.paid"}}},
	} {
		t.Run(name, func(t *testing.T) {
			o, _ := openOrder("pi_1").Apply(seenAs("pi_1", 1, opening(10, pending())), noon)
			if _, got := follow(o, tt.facts...); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestNamedReviewIsRead: a payment that names a review of which nothing is known is read. A read that does not show the
// review, since the key may not see it, is not repeated.
func TestNamedReviewIsRead(t *testing.T) {
	named := event("evt_1", 20, reviewed(succeeded("ch_1")))
	for name, tt := range map[string]struct {
		facts []RecordFact
		want  bool
	}{
		"named":       {[]RecordFact{named}, true},
		"known":       {[]RecordFact{named, opened("prv_1")}, false},
		"read before": {[]RecordFact{read(19, pending()), named}, true},
		"read, and not shown": {
			[]RecordFact{named, read(21, reviewed(succeeded("ch_1"))), RefundListing{At: 21}}, false,
		},
		"not named": {[]RecordFact{event("evt_1", 20, succeeded("ch_1"))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := merged(tt.facts...)
			if got := r.Resolve().NeedsRead; got != tt.want {
				t.Errorf("needs a read %v, want %v", got, tt.want)
			}
		})
	}
}

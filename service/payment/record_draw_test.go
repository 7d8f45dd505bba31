package payment

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// drawHistory draws a long history of the model. Responses may be older than their date by up to 200 ms, and cover any
// part of the earlier steps.
func drawHistory(t *rapid.T) ([]happened, moments) {
	now, at := newTruth(), int64(10_000)
	var history []happened
	var m moments
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		next := rapid.SampledFrom(now.possible()).Draw(t, "step")
		next.happen(&now)
		at += rapid.SampledFrom([]int64{0, 5, 300, 1000, 1000, 3000}).Draw(t, "gap")
		skew := rapid.Int64Range(-200, 200).Draw(t, "skew")
		h := happened{step: next, after: now.Snapshot}
		if next.silent {
			skew += rapid.Int64Range(0, 200).Draw(t, "latency")
			for i := range history {
				if rapid.Bool().Draw(t, "known") {
					h.covers = append(h.covers, i)
				}
			}
		}
		history = append(history, h)
		m.at, m.skew = append(m.at, at), append(m.skew, skew)
	}
	return history, m
}

// drawMore adds other facts of a history: the opening, and events with a second id or in a second API version.
func drawMore(t *rapid.T, list []RecordFact) []RecordFact {
	for _, f := range slices.Clone(list) {
		e, isEvent := f.(Event)
		if !isEvent {
			continue
		}
		switch rapid.IntRange(0, 4).Draw(t, "again") {
		case 0:
			e.Event += "_again"
			list = append(list, e)
		case 1:
			e.APIVersion, e.Snapshot = "2020-08-27", blind(e.Snapshot)
			list = append(list, e)
		}
	}
	if rapid.Bool().Draw(t, "opened") {
		list = append(list, opening(10, newTruth().Snapshot))
	}
	return list
}

// blindEvents changes the events to those of an API version without latest_charge.
func blindEvents(list []RecordFact) {
	for i, f := range list {
		if e, isEvent := f.(Event); isEvent {
			e.APIVersion, e.Snapshot = "2020-08-27", blind(e.Snapshot)
			list[i] = e
		}
	}
}

// drawFact draws facts that need not belong to a history: for any data of Stripe, merging must be a function
// of the set.
func drawFact(t *rapid.T) RecordFact {
	charges := []Charge{{}, {Unknown: true}, {ID: "ch_1"}, {ID: "ch_2"}}
	s := Snapshot{
		Status: rapid.SampledFrom([]Status{
			RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Succeeded,
			Canceled,
		}).Draw(t, "status"),
		Amount:         rapid.Int64Range(1, 2).Draw(t, "amount"),
		AmountReceived: rapid.Int64Range(0, 2).Draw(t, "received"),
		Charge:         rapid.SampledFrom(charges).Draw(t, "charge"),
		Review:         rapid.SampledFrom([]ReviewID{"", "prv_1"}).Draw(t, "named review"),
		Metadata:       rapid.SampledFrom([]map[string]string{nil, {}, {"a": "b"}}).Draw(t, "metadata"),
	}
	if rapid.Bool().Draw(t, "failed") {
		s.Failure = &Failure{
			Code:   rapid.SampledFrom([]string{"", "card_declined", authenticationFailure}).Draw(t, "code"),
			Charge: s.Charge.ID,
		}
	}
	at := rapid.Int64Range(0, 5).Draw(t, "at")
	events, answers := []string{"evt_1", "evt_2", "evt_3", "evt_4"}, []string{"req_1", "req_2", "req_3"}
	switch rapid.IntRange(0, 10).Draw(t, "kind") {
	case 0:
		return opening(at, s)
	case 1:
		return StaleResponse(at)
	case 2, 3:
		a := read(at, s, rapid.SliceOfN(rapid.SampledFrom(slices.Concat(events, answers)), 0, 3).Draw(t, "covers")...)
		a.IDs = rapid.SliceOfN(rapid.SampledFrom(answers), 0, 2).Draw(t, "ids")
		a.CaptureBefore = rapid.Int64Range(0, 2).Draw(t, "capture before")
		return a
	case 4, 5, 6, 7:
		return drawReturned(t, at, rapid.SampledFrom(append(events, "")).Draw(t, "event"))
	}
	e := event(rapid.SampledFrom(events).Draw(t, "event"), at, s)
	e.APIVersion = rapid.SampledFrom([]string{"2020-08-27", "2024-06-20"}).Draw(t, "version")
	return e
}

// drawReturned draws a fact about money given back, a charge or a review.
func drawReturned(t *rapid.T, at int64, event string) RecordFact {
	amount := rapid.Int64Range(1, 2).Draw(t, "returned")
	switch rapid.IntRange(0, 5).Draw(t, "return") {
	case 0:
		return RefundedTotal{At: at, Event: event, Amount: amount}
	case 1:
		return RefundListing{
			At:          at,
			KnownBefore: rapid.SliceOfN(rapid.SampledFrom([]string{"evt_1", "evt_2"}), 0, 2).Draw(t, "listed"),
		}
	case 2:
		status := rapid.SampledFrom(
			[]RefundStatus{"pending", "requires_action", "succeeded", "canceled", "failed"},
		).Draw(t, "refund")
		return RefundSeen{
			rapid.SampledFrom([]RefundID{"re_1", "re_2"}).Draw(t, "id"),
			Refund{Status: status, Amount: amount, Created: at},
		}
	case 3:
		ids := []string{"ch_1", "ch_2", "ch_3", "ch_4", "ch_5", "ch_6", "ch_7"}
		return ChargeSeen{rapid.SampledFrom(ids).Draw(t, "charge"), ChargeDetails{
			At: at, Answered: event == "", Type: "card",
			Last4:      rapid.SampledFrom([]string{"", "4242"}).Draw(t, "last4"),
			ReceiptURL: rapid.SampledFrom([]string{"", "https://pay.example/r"}).Draw(t, "receipt"),
		}}
	case 4:
		reason := rapid.SampledFrom([]string{"", reviewApproved, "refunded", "brand_new"}).Draw(t, "closed reason")
		return ReviewSeen{rapid.SampledFrom([]ReviewID{"prv_1", "prv_2"}).Draw(t, "review"), Review{
			Reason: "rule", OpenedAt: at, Closed: reason != "", ClosedReason: reason,
		}}
	}
	status := rapid.SampledFrom([]string{"needs_response", "won", "lost", "brand_new"}).Draw(t, "dispute")
	return DisputeSeen{
		rapid.SampledFrom([]DisputeID{"dp_1", "dp_2"}).Draw(t, "id"),
		Dispute{At: at, Event: event, Status: status, Amount: amount},
	}
}

// drawFacts draws facts of which Stripe guarantees one thing: the content of an event in one API version never
// changes.
func drawFacts(t *rapid.T) []RecordFact {
	return rapid.SliceOfNDistinct(rapid.Custom(drawFact), 1, 12, func(f RecordFact) string {
		if e, isEvent := f.(Event); isEvent {
			return e.Event + e.APIVersion
		}
		return fmt.Sprintf("%+v", f)
	}).Draw(t, "facts")
}

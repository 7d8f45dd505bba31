package storetest

import (
	"strings"

	"kasse/service/payment"
)

// fullPayment returns a payment with every member set, and with texts that a faulty encoding would change.
func fullPayment(id payment.ID) *payment.Payment {
	status := payment.RefundStatus("succeeded")
	snapshot := payment.Snapshot{
		Status: payment.RequiresPaymentMethod, Amount: 99_999_999, AmountCapturable: 1, AmountReceived: 2,
		Currency: "eur",
		Customer: "cus_1", CaptureMethod: payment.CaptureManual, SetupFutureUsage: "off_session",
		Charge:  payment.Charge{ID: "ch_1"},
		Failure: &payment.Failure{Code: "card_declined", DeclineCode: "lost_card", Charge: "ch_1"},
		Metadata: map[string]string{
			"note": "<b>Grüße & \"quotes\"\\\n\u2028\x00", "kasse_order_id": "o-1", "number": "9007199254740993",
		},
	}
	seen := payment.Observation{At: 1_760_000_000, Event: "evt_1", APIVersion: "2024-06-20", Snapshot: snapshot}
	read := payment.Read{
		Observation: seen, IDs: []string{"req_1"}, KnownBefore: []string{"evt_1"}, CaptureBefore: 1_760_600_000,
	}
	return &payment.Payment{
		ID: id, SecretHash: strings.Repeat("ab", 32), Livemode: true, ClosedNoted: true,
		History: []payment.HistoryEntry{
			{Version: 1, From: payment.Pending, To: payment.Paid, At: 2, Cause: "evt_1 \"\\"},
		},
		Calls: []payment.RefundCall{
			{Name: "n", Amount: 5, Reason: "duplicate", Form: "a=%3Cb%3E&c=\"\\", Tried: 3, First: 2, Unclear: true},
			{Name: "m", Refused: true},
			{Name: "k", Answered: &payment.RefundView{ID: "re_1", Amount: 1, Status: &status}},
		},
		Record: payment.Record{
			Created: 1_760_000_000, Creation: &seen, Recent: []payment.Observation{seen},
			Terminal: []payment.Observation{seen}, Reads: []payment.Read{read}, Received: 1 << 60,
			Failures: []string{"ch_1"}, StaleAt: 1_760_000_001, Unlisted: true,
			RefundedTotals: []payment.RefundedTotal{{At: 1, Event: "evt_3", Amount: 2}},
			Listing:        &payment.RefundListing{At: 1, KnownBefore: []string{"evt_2"}},
			Refunds: payment.Refunds{
				"re_1": {Status: status, Amount: 1, Reason: "duplicate", Created: 1, Call: "ab"},
			},
			Disputes: payment.DisputeHistories{
				"dp_1": {{At: 1, Event: "evt_2", Status: "won", Amount: 2, Created: 3}},
			},
		},
	}
}

// fullOrder returns an order with every member set, and with two payments.
func fullOrder(id payment.OrderID) payment.Order {
	yes, limit := true, 3
	terms := payment.Terms{
		Amount: 1_999, Currency: "eur", Customer: "cus_1", CaptureMethod: payment.CaptureManual,
		SetupFutureUsage: "on_session",
	}
	session := payment.SessionFeatures{
		Redisplay: &yes, RedisplayLimit: &limit, RedisplayOnly: []string{"always"}, Save: true, SaveUsage: "on_session",
		Remove: true, Surface: "web",
	}
	return payment.Order{
		ID: id, Terms: terms, Rev: 1_760_000_000_123, Winner: "pi_2", Closed: payment.ClosedByCancel,
		Proposed: payment.Proposal{Amount: 5, Rev: 1_760_000_000_130},
		Attempts: []payment.Attempt{
			{
				Number: 1, Terms: terms, Refused: true, Reserved: 1_760_000_000_123, Unclear: true, Mismatch: true,
				Searched: 9,
			},
			{
				Number: 2, Payment: "pi_2", Terms: terms, Form: "amount=1999&metadata[note]=%3Cb%3E&x=\"\\",
				Reserved: 1_760_000_000_124, Tried: 1_760_000_000_125, Session: &session, Ours: true,
				State:      payment.Paid,
				Superseded: true, Failures: 2, Version: 1_760_000_000_200, UpdatedAt: 1_760_000_000,
				PointerUntil: 1_800_000_000,
			},
			{Number: 3, Unknown: true},
			{Number: 4, Payment: "pi_4", Version: 1_760_000_000_201},
		},
		Lease:          payment.Lease{Owner: "owner", Until: 1_760_000_000_125},
		KnownAtClosing: 4, Reopened: 1, FulfillableAt: 1_760_000_001, Version: 1_760_000_000_201,
		LastWord:   payment.Word{Payment: "pi_2", State: payment.Paid, Fulfillable: true},
		ForeignIDs: []payment.ID{"pi_f"}, ForeignCount: 51,
		Loaded: map[payment.ID]*payment.Payment{"pi_2": fullPayment("pi_2"), "pi_4": fullPayment("pi_4")},
	}
}

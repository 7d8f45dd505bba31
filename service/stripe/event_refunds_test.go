package stripe

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service/payment"
)

// eventAbout returns an event of a type with an object.
func eventAbout(kind, object string) string {
	return `{"id":"evt_1","object":"event","type":"` + kind +
		`","created":1700000000,"api_version":"2020-08-27","livemode":false,"data":{"object":` + object + `}}`
}

const (
	refundObject = `{"id":"re_1","object":"refund","amount":500,"charge":"ch_1","created":1600000000,` +
		`"currency":"eur","payment_intent":"pi_1","reason":"duplicate","status":"pending","metadata":` +
		`{"kasse_refund":"abc"}}`
	disputeObject = `{"id":"dp_1","object":"dispute","amount":1000,"charge":"ch_1","created":1600000000,` +
		`"payment_intent":{"id":"pi_1","object":"payment_intent"},"status":"needs_response"}`
)

var moneyReturned = payment.RefundedTotal{At: 1700000000, Event: "evt_1", Amount: 500}

// refundSeen returns the record fact of refundObject.
func refundSeen(status payment.RefundStatus) payment.RefundSeen {
	return payment.RefundSeen{ID: "re_1", Refund: payment.Refund{
		Status: status, Amount: 500, Reason: "duplicate", Created: 1600000000, Call: "abc",
	}}
}

// disputeSeen returns the record fact of disputeObject.
func disputeSeen(status string) payment.DisputeSeen {
	return payment.DisputeSeen{ID: "dp_1", Dispute: payment.Dispute{
		At: 1700000000, Event: "evt_1", Status: status, Amount: 1000, Created: 1600000000,
	}}
}

// returnEvent is an event with the facts that are decoded from it.
type returnEvent struct {
	name, body string
	want       []payment.RecordFact
	unreadable bool
}

// returnEvents have the members that Stripe documents.
var returnEvents = []returnEvent{
	{"a refund", eventAbout("refund.created", refundObject), []payment.RecordFact{refundSeen("pending")}, false},
	{
		"a refund, in an event of the former name", eventAbout("charge.refund.updated", refundObject),
		[]payment.RecordFact{refundSeen("pending")},
		false,
	},
	{
		"a refund, in an event of an unknown name", eventAbout("refund.brand_new", refundObject),
		[]payment.RecordFact{refundSeen("pending")},
		false,
	},
	{"a charge", eventAbout(
		"charge.refunded", `{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":"pi_1"}`,
	), []payment.RecordFact{moneyReturned}, false},
	{"a charge with its refunds", eventAbout(
		"charge.refunded",
		`{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":"pi_1","refunds":{"data":[`+
			refundObject+`]}}`,
	), []payment.RecordFact{moneyReturned, refundSeen("pending")}, false},
	{"a charge that was never captured", eventAbout(
		"charge.refunded", `{"object":"charge","amount_refunded":500,"captured":false,"payment_intent":"pi_1"}`,
	), nil, false},
	{
		"a dispute", eventAbout("charge.dispute.created", disputeObject),
		[]payment.RecordFact{disputeSeen("needs_response")},
		false,
	},
	{
		"a dispute's money", eventAbout("charge.dispute.funds_withdrawn", disputeObject),
		[]payment.RecordFact{disputeSeen("needs_response")},
		false,
	},
	{
		"a charge of no PaymentIntent",
		eventAbout(
			"charge.refunded", `{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":null}`,
		),
		[]payment.RecordFact{moneyReturned},
		false,
	},
	{
		"an early fraud warning",
		eventAbout(
			"radar.early_fraud_warning.created",
			`{"object":"radar.early_fraud_warning","payment_intent":"pi_1"}`,
		),
		nil, false,
	},
}

// oddReturnEvents have an unknown, missing or mistyped member.
var oddReturnEvents = []returnEvent{
	{
		"a refund with an unknown status",
		eventAbout("refund.updated", strings.Replace(refundObject, "pending", "lost", 1)),
		[]payment.RecordFact{refundSeen("lost")},
		false,
	},
	{
		"a refund without a status",
		eventAbout("refund.updated", strings.Replace(refundObject, `"pending"`, "null", 1)),
		[]payment.RecordFact{refundSeen("")},
		false,
	},
	{
		"a refund that is a charge",
		eventAbout("refund.updated", strings.Replace(refundObject, `"refund","amount"`, `"charge","amount"`, 1)), nil,
		true,
	},
	{
		"a dispute without a status",
		eventAbout("charge.dispute.updated", strings.Replace(disputeObject, "needs_response", "", 1)),
		[]payment.RecordFact{disputeSeen("")},
		false,
	},
	{
		"an id for a path",
		eventAbout("charge.dispute.updated", strings.Replace(disputeObject, `"pi_1"`, `"pi_1/../x"`, 1)), nil, true,
	},
	{
		"an amount that is text", eventAbout("refund.updated", strings.Replace(refundObject, `500`, `"500"`, 1)),
		nil, true,
	},
}

// TestReturnsOfAnyVersion: events about refunds and disputes are decoded in every API version.
func TestReturnsOfAnyVersion(t *testing.T) {
	for _, tt := range slices.Concat(returnEvents, oddReturnEvents) {
		t.Run(tt.name, func(t *testing.T) {
			n := decodeEvent([]byte(tt.body))
			if (n.Unreadable != "") != tt.unreadable || n.Intent != nil {
				t.Fatalf("decoded as %+v", n)
			}
			if diff := cmp.Diff(tt.want, n.Facts); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

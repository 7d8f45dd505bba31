package stripe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service/payment"
)

// TestReturnsOfAnyVersion reads what events say of money given back.
func TestReturnsOfAnyVersion(t *testing.T) {
	about := func(kind, object string) string {
		return `{"id":"evt_1","object":"event","type":"` + kind +
			`","created":1700000000,"api_version":"2020-08-27","livemode":false,"data":{"object":` + object + `}}`
	}
	const refund = `{"id":"re_1","object":"refund","amount":500,"charge":"ch_1","created":1600000000,"currency":"eur","payment_intent":"pi_1","reason":"duplicate","status":"pending","metadata":{"kasse_refund":"abc"}}`
	const dispute = `{"id":"dp_1","object":"dispute","amount":1000,"charge":"ch_1","created":1600000000,"payment_intent":{"id":"pi_1","object":"payment_intent"},"status":"needs_response"}`
	seen := payment.RefundSeen{
		ID:     "re_1",
		Refund: payment.Refund{Status: "pending", Amount: 500, Reason: "duplicate", Created: 1600000000, Call: "abc"},
	}
	returned := payment.RefundedTotal{At: 1700000000, Event: "evt_1", Amount: 500}
	disputed := payment.DisputeSeen{ID: "dp_1", Dispute: payment.Dispute{
		At: 1700000000, Event: "evt_1", Status: "needs_response", Amount: 1000, Created: 1600000000,
	}}
	withStatus := func(status payment.RefundStatus) payment.RefundSeen {
		other := seen
		other.Status = status
		return other
	}
	withoutStatus := disputed
	withoutStatus.Status = ""
	for _, tt := range []struct {
		name, body string
		want       []payment.RecordFact
		unreadable bool
	}{
		{"a refund", about("refund.created", refund), []payment.RecordFact{seen}, false},
		{"a refund, as it was called", about("charge.refund.updated", refund), []payment.RecordFact{seen}, false},
		{"a refund of tomorrow", about("refund.brand_new", refund), []payment.RecordFact{seen}, false},
		{"a charge", about(
			"charge.refunded", `{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":"pi_1"}`,
		), []payment.RecordFact{returned}, false},
		{"a charge with its refunds", about(
			"charge.refunded",
			`{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":"pi_1","refunds":{"data":[`+
				refund+`]}}`,
		), []payment.RecordFact{returned, seen}, false},
		{"a charge that was never captured", about(
			"charge.refunded", `{"object":"charge","amount_refunded":500,"captured":false,"payment_intent":"pi_1"}`,
		), nil, false},
		{"a dispute", about("charge.dispute.created", dispute), []payment.RecordFact{disputed}, false},
		{
			"a dispute, its money", about("charge.dispute.funds_withdrawn", dispute),
			[]payment.RecordFact{disputed},
			false,
		},
		{
			"a charge of no PaymentIntent",
			about("charge.refunded", `{"object":"charge","amount_refunded":500,"captured":true,"payment_intent":null}`),
			[]payment.RecordFact{returned},
			false,
		},
		{
			"an early fraud warning",
			about(
				"radar.early_fraud_warning.created",
				`{"object":"radar.early_fraud_warning","payment_intent":"pi_1"}`,
			),
			nil, false,
		},
		{
			"a refund with a status of tomorrow",
			about("refund.updated", strings.Replace(refund, "pending", "lost", 1)),
			[]payment.RecordFact{withStatus("lost")},
			false,
		},
		{
			"a refund without a status", about("refund.updated", strings.Replace(refund, `"pending"`, "null", 1)),
			[]payment.RecordFact{withStatus("")},
			false,
		},
		{
			"a refund that is a charge",
			about("refund.updated", strings.Replace(refund, `"refund","amount"`, `"charge","amount"`, 1)), nil,
			true,
		},
		{
			"a dispute without a status",
			about("charge.dispute.updated", strings.Replace(dispute, "needs_response", "", 1)),
			[]payment.RecordFact{withoutStatus},
			false,
		},
		{
			"an id for a path",
			about("charge.dispute.updated", strings.Replace(dispute, `"pi_1"`, `"pi_1/../x"`, 1)), nil, true,
		},
		{"an amount that is text", about("refund.updated", strings.Replace(refund, `500`, `"500"`, 1)), nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := decodeEvent([]byte(tt.body))
			if (n.Unreadable != "") != tt.unreadable || n.Intent != nil {
				t.Fatalf("%+v", n)
			}
			if diff := cmp.Diff(tt.want, n.Facts); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

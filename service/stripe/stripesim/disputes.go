package stripesim

import (
	"slices"
	"strings"
)

// dispute is a Dispute: a customer's bank claims the money back.
type dispute struct {
	ID                   string            `json:"id"`
	Object               string            `json:"object"`
	Amount               int64             `json:"amount"`
	BalanceTransactions  []document        `json:"balance_transactions"`
	Charge               string            `json:"charge"`
	Created              unix              `json:"created"`
	Currency             string            `json:"currency"`
	Evidence             document          `json:"evidence"`
	EvidenceDetails      document          `json:"evidence_details"`
	IsChargeRefundable   bool              `json:"is_charge_refundable"`
	Livemode             bool              `json:"livemode"`
	Metadata             map[string]string `json:"metadata"`
	PaymentIntent        text              `json:"payment_intent"`
	PaymentMethodDetails document          `json:"payment_method_details,omitempty"`
	Reason               string            `json:"reason"`
	Status               string            `json:"status"`
}

func (d *dispute) id() string { return d.ID }

// inquiry reports whether the dispute is an early warning, which moves no money.
func (d *dispute) inquiry() bool { return strings.HasPrefix(d.Status, "warning_") }

// open reports whether the dispute still waits for a decision.
func (d *dispute) open() bool {
	return strings.HasSuffix(d.Status, "needs_response") || strings.HasSuffix(d.Status, "under_review")
}

// evidenceNames are the members of dispute_evidence:
// https://docs.stripe.com/api/disputes/evidence_object.
var evidenceNames = strings.Fields(`
	access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
	cancellation_rebuttal customer_communication customer_email_address customer_name
	customer_purchase_ip customer_signature duplicate_charge_documentation duplicate_charge_explanation
	duplicate_charge_id product_description receipt refund_policy refund_policy_disclosure
	refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier
	shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text`)

// answerDays is how long the shop has to submit evidence.
const answerDays = 9

// openDispute disputes a charge. kind is the case type: chargeback, inquiry, block or resolution.
// The last two have been prevented when they appear.
func (a *account) openDispute(ch *charge, reason, kind string) *dispute {
	prevented := kind == "block" || kind == "resolution"
	d := &dispute{
		ID: "dp_1" + a.ids.letters(23), Object: "dispute", Amount: ch.AmountCaptured, BalanceTransactions: []document{},
		Charge: ch.ID, Created: a.unix(), Currency: ch.Currency, Evidence: document{},
		IsChargeRefundable: kind == "inquiry" || kind == "block", Metadata: map[string]string{},
		PaymentIntent: ch.PaymentIntent, Reason: reason, Status: firstStatus(kind),
		EvidenceDetails: document{
			"due_by": a.unix() + answerDays*24*60*60, "has_evidence": false, "past_due": false, "submission_count": 0,
		},
	}
	for _, name := range evidenceNames {
		d.Evidence[name] = nil
	}
	if card, ok := ch.PaymentMethodDetails["card"].(document); ok {
		d.PaymentMethodDetails = document{
			"type": "card", "card": document{"brand": card["brand"], "case_type": kind, "network_reason_code": "83"},
		}
	}
	ch.Disputed = !prevented
	a.disputes.add(d)
	a.emit("charge.dispute.created", d)
	switch kind {
	case "chargeback":
		a.emit("charge.dispute.funds_withdrawn", d)
		a.closeReviewOf(ch, "disputed")
	case "resolution":
		if left := ch.AmountCaptured - a.refundedOf(ch); left > 0 {
			a.giveBack(ch, a.newRefund(ch, left), nil)
		}
	}
	return d
}

func firstStatus(kind string) string {
	switch kind {
	case "inquiry":
		return "warning_needs_response"
	case "block", "resolution":
		return "prevented"
	}
	return "needs_response"
}

// chargedBack reports whether a dispute has withdrawn the charge's money, so that no rest can be refunded.
func (a *account) chargedBack(ch *charge) bool {
	return slices.ContainsFunc(a.disputes.rows, func(d *dispute) bool {
		return d.Charge == ch.ID && !d.IsChargeRefundable && d.Status != "won" && d.Status != "prevented"
	})
}

// decide ends a dispute: an inquiry closes, a chargeback is won or lost.
func (a *account) decide(d *dispute, won bool) {
	inquiry := d.inquiry()
	switch {
	case inquiry:
		d.Status = "warning_closed"
	case won:
		d.Status = "won"
	default:
		d.Status = "lost"
	}
	a.emit("charge.dispute.closed", d)
	if won && !inquiry {
		a.emit("charge.dispute.funds_reinstated", d)
	}
}

// prevent ends a dispute before it is a chargeback. Its money, if it was withdrawn, comes back.
func (a *account) prevent(d *dispute) {
	withdrawn := !d.inquiry()
	d.Status = "prevented"
	a.emit("charge.dispute.closed", d)
	if withdrawn {
		a.emit("charge.dispute.funds_reinstated", d)
	}
}

// appeal brings a lost dispute to a stage of its appeal.
func (a *account) appeal(d *dispute, to string) {
	d.Status = to
	a.emit("charge.dispute.updated", d)
}

// submit processes submitted evidence.
func (a *account) submit(d *dispute) {
	switch {
	case d.inquiry():
		d.Status = "warning_under_review"
	case strings.HasPrefix(d.Status, "appeal_"):
		d.Status = "appeal_under_review"
	default:
		d.Status = "under_review"
	}
	a.emit("charge.dispute.updated", d)
}

func (a *account) disputeOf(c *call) (*dispute, *failure) {
	d, ok := a.disputes.find(c.PathValue("dispute"))
	if !ok {
		return nil, missing("dispute", c.PathValue("dispute"), "dispute").withStatus(404)
	}
	return d, nil
}

// retrieveDispute handles GET /v1/disputes/{dispute}.
func (a *account) retrieveDispute(c *call) (any, error) {
	d, f := a.disputeOf(c)
	if f != nil {
		return nil, f
	}
	return d, nil
}

// updateDispute handles POST /v1/disputes/{dispute}. In Stripe's test mode the words winning_evidence and
// losing_evidence decide the dispute: https://docs.stripe.com/testing#evidence.
func (a *account) updateDispute(c *call) (any, error) {
	d, f := a.disputeOf(c)
	if f != nil {
		return nil, f
	}
	if !d.open() {
		return nil, invalid("", "", "This dispute is already closed.")
	}
	metadata, f := c.params.mergeMetadata(d.Metadata)
	if f != nil {
		return nil, f
	}
	d.Metadata = metadata
	for name := range c.params.child("evidence") {
		d.Evidence[name] = text(c.params.child("evidence").text(name))
		d.EvidenceDetails["has_evidence"] = true
	}
	if d.EvidenceDetails["has_evidence"] != true || c.params.text("submit") == "false" {
		a.emit("charge.dispute.updated", d)
		return d, nil
	}
	d.EvidenceDetails["submission_count"] = 1
	a.submit(d)
	switch d.Evidence["uncategorized_text"] {
	case text("winning_evidence"):
		a.decide(d, true)
	case text("losing_evidence"):
		a.decide(d, false)
	}
	return d, nil
}

// closeDispute handles POST /v1/disputes/{dispute}/close, with which the shop accepts the dispute.
func (a *account) closeDispute(c *call) (any, error) {
	d, f := a.disputeOf(c)
	if f != nil {
		return nil, f
	}
	if !d.open() {
		return nil, invalid("", "", "This dispute is already closed.")
	}
	a.decide(d, false)
	return d, nil
}

// listDisputes handles GET /v1/disputes.
func (a *account) listDisputes(c *call) (any, error) {
	return pageOf(c, a.disputes.newestFirst(func(d *dispute) bool {
		return c.params.matches("payment_intent", string(d.PaymentIntent)) && c.params.matches("charge", d.Charge) &&
			c.params.within(d.Created)
	}))
}

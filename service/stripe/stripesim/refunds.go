package stripesim

import "slices"

// refund is refunded money, or a release of authorised money.
type refund struct {
	ID                     string            `json:"id"`
	Object                 string            `json:"object"`
	Amount                 int64             `json:"amount"`
	BalanceTransaction     text              `json:"balance_transaction"`
	Charge                 text              `json:"charge"`
	Created                unix              `json:"created"`
	Currency               string            `json:"currency"`
	DestinationDetails     document          `json:"destination_details,omitempty"`
	FailureReason          string            `json:"failure_reason,omitempty"`
	Metadata               map[string]string `json:"metadata"`
	PaymentIntent          text              `json:"payment_intent"`
	Reason                 text              `json:"reason"`
	ReceiptNumber          text              `json:"receipt_number"`
	SourceTransferReversal text              `json:"source_transfer_reversal"`
	Status                 text              `json:"status"`
	TransferReversal       text              `json:"transfer_reversal"`
}

func (re *refund) id() string { return re.ID }

func (a *account) newRefund(ch *charge, amount int64) *refund {
	re := &refund{
		ID: a.ids.long("re"), Object: "refund", Amount: amount, Charge: text(
			ch.ID,
		), Created: a.unix(), Currency: ch.Currency,
		Metadata:      map[string]string{},
		PaymentIntent: ch.PaymentIntent,
	}
	if _, card := ch.PaymentMethodDetails["card"]; card {
		re.DestinationDetails = document{
			"type": "card",
			"card": document{
				"type": "refund", "reference_status": "pending", "reference_type": "acquirer_reference_number",
			},
		}
	}
	a.refunds.add(re)
	return re
}

// createRefund handles POST /v1/refunds.
func (a *account) createRefund(c *call) (any, error) {
	ch, f := a.refundable(c.params)
	if f != nil {
		return nil, f
	}
	left := ch.AmountCaptured - a.refundedOf(ch)
	amount := left
	if c.params.has("amount") {
		amount = c.params.integer("amount")
	}
	if f := checkRefund(ch, amount, left); f != nil {
		return nil, f
	}
	metadata, f := c.params.mergeMetadata(nil)
	if f != nil {
		return nil, f
	}
	plan := a.nextRefund()
	if plan.refusal != nil {
		refused := *plan.refusal
		return nil, &refused
	}
	re := a.newRefund(ch, amount)
	re.Reason, re.Metadata = text(c.params.text("reason")), metadata
	a.giveBack(ch, re, plan.status)
	return re, nil
}

// checkRefund refuses an amount that exceeds the charge's rest, or that its currency does not have.
func checkRefund(ch *charge, amount, left int64) *failure {
	switch {
	case left == 0:
		return invalid("charge_already_refunded", "", "Charge %s has already been refunded.", ch.ID)
	case amount < 1:
		return invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount > left:
		return invalid("", "amount", "Refund amount (%s) is greater than unrefunded amount on charge (%s)",
			price(amount, ch.Currency), price(left, ch.Currency))
	}
	return checkUnit(amount, ch.Currency, "amount")
}

// refundable returns the charge that the parameters name, if money was received with it.
func (a *account) refundable(p params) (*charge, *failure) {
	id := p.text("charge")
	if intentID := p.text("payment_intent"); intentID != "" {
		pi, ok := a.intents.find(intentID)
		if !ok {
			return nil, missing("payment_intent", intentID, "payment_intent")
		}
		if !pi.in(succeeded) {
			return nil, nothingToRefund(text(pi.ID), "payment_intent")
		}
		id = either(id, string(pi.LatestCharge))
	}
	if id == "" {
		return nil, invalid("parameter_missing", "payment_intent",
			"One of the following params should be provided for this request: payment_intent or charge.")
	}
	ch, ok := a.charges.find(id)
	switch {
	case !ok:
		return nil, missing("charge", id, "charge")
	case !ch.Captured:
		return nil, nothingToRefund(ch.PaymentIntent, "charge")
	case a.chargedBack(ch):
		return nil, invalid("charge_disputed", "", "Charge %s has been charged back; cannot issue a refund.", ch.ID)
	}
	return ch, nil
}

func nothingToRefund(paymentIntent text, param string) *failure {
	return invalid("", param, "This PaymentIntent (%s) does not have a successful charge to refund.", paymentIntent)
}

// refundedOf returns the refunded captured money, without releases.
func (a *account) refundedOf(ch *charge) int64 {
	return ch.AmountRefunded - (ch.Amount - ch.AmountCaptured)
}

// giveBack starts a refund in the planned status, or as its payment method decides if planned is nil.
func (a *account) giveBack(ch *charge, re *refund, planned *text) {
	m, _ := a.methods.find(string(ch.PaymentMethod))
	ch.AmountRefunded += re.Amount
	ch.Refunded = ch.AmountRefunded == ch.Amount
	re.Status = "succeeded"
	switch {
	case planned != nil:
		re.Status = *planned
	case m.act.refund == "pending":
		re.Status = "pending"
	}
	a.emit("refund.created", re)
	a.emit("charge.refunded", ch)
	if ch.Refunded {
		a.closeReviewOf(ch, refundedReason(re))
	}
	if planned != nil {
		return
	}
	switch m.act.refund {
	case "pending":
		a.after(a.opts.Settle, func() { a.moveRefund(re, "succeeded", "pending") })
	case "fails":
		a.after(a.opts.Settle, func() { a.moveRefund(re, "failed", "succeeded") })
	}
}

// refundedReason is the closed_reason of a refunded charge's review.
func refundedReason(re *refund) string {
	if re.Reason == "fraudulent" {
		return "refunded_as_fraud"
	}
	return "refunded"
}

// moveRefund changes a refund's status if its current one is in from. Money that did not arrive returns to
// the charge.
func (a *account) moveRefund(re *refund, to text, from ...text) bool {
	if !slices.Contains(from, re.Status) {
		return false
	}
	re.Status = to
	if to == "failed" || to == "canceled" {
		ch, _ := a.charges.find(string(re.Charge))
		ch.AmountRefunded -= re.Amount
		ch.Refunded = false
	}
	if to == "failed" {
		re.FailureReason = "expired_or_canceled_card"
		if a.sendsRefundFailed() {
			a.emit("refund.failed", re)
		}
	}
	a.reportRefund(re)
	return true
}

// sendsRefundFailed reports whether an API version in use has the event.
func (a *account) sendsRefundFailed() bool {
	return slices.ContainsFunc(a.versionsInUse(), func(version string) bool { return version >= refundEvents })
}

// reportRefund sends both events of a changed refund.
func (a *account) reportRefund(re *refund) {
	a.emit("charge.refund.updated", re)
	a.emit("refund.updated", re)
}

func (a *account) refundOf(c *call) (*refund, *failure) {
	re, ok := a.refunds.find(c.PathValue("refund"))
	if !ok {
		return nil, missing("refund", c.PathValue("refund"), "id").withStatus(404)
	}
	return re, nil
}

// retrieveRefund handles GET /v1/refunds/{refund}.
func (a *account) retrieveRefund(c *call) (any, error) {
	re, f := a.refundOf(c)
	if f != nil {
		return nil, f
	}
	return re, nil
}

// updateRefund handles POST /v1/refunds/{refund}: only its metadata can change.
func (a *account) updateRefund(c *call) (any, error) {
	re, f := a.refundOf(c)
	if f != nil {
		return nil, f
	}
	metadata, f := c.params.mergeMetadata(re.Metadata)
	if f != nil {
		return nil, f
	}
	re.Metadata = metadata
	a.reportRefund(re)
	return re, nil
}

// cancelRefund handles POST /v1/refunds/{refund}/cancel.
func (a *account) cancelRefund(c *call) (any, error) {
	re, f := a.refundOf(c)
	if f != nil {
		return nil, f
	}
	if !a.moveRefund(re, "canceled", "pending", "requires_action") {
		return nil, invalid("", "", "You cannot cancel this refund because it has a status of %s.", re.Status)
	}
	return re, nil
}

// listRefunds handles GET /v1/refunds.
func (a *account) listRefunds(c *call) (any, error) {
	return pageOf(c, a.refunds.newestFirst(func(re *refund) bool {
		return c.params.matches("payment_intent", string(re.PaymentIntent)) &&
			c.params.matches("charge", string(re.Charge)) &&
			c.params.within(re.Created)
	}))
}

package stripesim

// captureIntent handles POST /v1/payment_intents/{intent}/capture. The part that is not captured is
// released, and Stripe makes a Refund for it.
func (a *account) captureIntent(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	if !pi.in(requiresCapture) {
		return nil, notCapturable(pi)
	}
	amount := pi.AmountCapturable
	if c.params.has("amount_to_capture") {
		amount = c.params.integer("amount_to_capture")
	}
	if amount < 1 {
		return nil, invalid("parameter_invalid_integer", "amount_to_capture",
			"This value must be greater than or equal to 1.")
	}
	if amount > pi.AmountCapturable {
		return nil, invalid("amount_too_large", "amount_to_capture", textOverCapture, amount, pi.AmountCapturable)
	}
	if f := checkUnit(amount, pi.Currency, "amount_to_capture"); f != nil {
		return nil, f
	}
	metadata, f := c.params.mergeMetadata(pi.Metadata)
	if f != nil {
		return nil, f
	}
	pi.Metadata = metadata
	a.capture(pi, amount)
	return pi, nil
}

func notCapturable(pi *intent) *failure {
	if pi.in(succeeded) {
		return unexpectedState(pi, "This PaymentIntent could not be captured because it has already been captured.")
	}
	return unexpectedState(pi, textNotCapturable, pi.Status)
}

func (a *account) capture(pi *intent, amount int64) {
	ch, _ := a.charges.find(string(pi.LatestCharge))
	m, _ := a.methods.find(string(ch.PaymentMethod))
	ch.Captured, ch.AmountCaptured = true, amount
	ch.PaymentMethodDetails = chargeDetails(m, ch)
	if rest := ch.Amount - amount; rest > 0 {
		a.release(ch, rest, "")
	}
	a.emit("charge.captured", ch)
	a.succeed(pi, m, ch)
}

// cancelIntent handles POST /v1/payment_intents/{intent}/cancel.
func (a *account) cancelIntent(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	if pi.in(succeeded, canceled, processing) {
		return nil, unexpectedState(pi, textNotCancelable, pi.Status)
	}
	a.cancel(pi, c.params.text("cancellation_reason"))
	return pi, nil
}

// cancel ends an unpaid intent. It voids an authorisation: the charge then counts as refunded without a
// capture.
func (a *account) cancel(pi *intent, reason string) {
	a.clearAction(pi)
	if pi.Status == requiresCapture {
		ch, _ := a.charges.find(string(pi.LatestCharge))
		a.release(ch, ch.Amount, "")
		ch.Refunded = true
		a.emit("charge.refunded", ch)
	}
	pi.Status, pi.CanceledAt, pi.CancellationReason, pi.AmountCapturable = canceled, a.unix(), text(reason), 0
	a.emit("payment_intent.canceled", pi)
}

// expire ends an authorisation that was not captured in time.
func (a *account) expire(pi *intent, ch *charge) {
	if !pi.in(requiresCapture) || pi.LatestCharge != text(ch.ID) {
		return
	}
	a.release(ch, ch.Amount, "expired_uncaptured_charge")
	ch.Refunded = true
	a.emit("charge.expired", ch)
	pi.Status, pi.CanceledAt, pi.CancellationReason, pi.AmountCapturable = canceled, a.unix(), "automatic", 0
	a.emit("payment_intent.canceled", pi)
}

// release returns money that was only authorised.
func (a *account) release(ch *charge, amount int64, reason text) {
	ch.AmountRefunded += amount
	re := a.newRefund(ch, amount)
	re.Status, re.Reason = "succeeded", reason
	a.emit("refund.created", re)
}

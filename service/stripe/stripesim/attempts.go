package stripesim

import (
	"net/http"
	"strings"
	"time"
)

// confirmIntent handles POST /v1/payment_intents/{intent}/confirm, from a backend or from a page
// that knows the client secret.
func (a *account) confirmIntent(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	if !pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction) {
		return nil, notConfirmable(pi)
	}
	changed := *pi
	if f := a.apply(&changed, c.params); f != nil {
		return nil, f
	}
	if f := a.checkConfirmation(&changed, c.params); f != nil {
		return nil, f
	}
	*pi = changed
	return a.attempt(pi, c.params)
}

func notConfirmable(pi *intent) *failure {
	if pi.in(succeeded) {
		return unexpectedState(pi,
			"You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.")
	}
	return unexpectedState(pi, textNotConfirmable, pi.Status)
}

// checkConfirmation refuses what can be refused without the bank.
func (a *account) checkConfirmation(pi *intent, p params) *failure {
	m, ok := a.methods.find(string(pi.PaymentMethod))
	if !ok {
		return unexpectedState(pi, textNoMethod)
	}
	auto := pi.AutomaticPaymentMethods
	if auto != nil && auto.AllowRedirects != "never" && pi.returnURL == "" && !p.boolean("use_stripe_sdk") {
		return invalid("", "return_url", textReturnURL)
	}
	if families[m.Type].redirects && pi.returnURL == "" {
		return invalid("", "return_url", "You must provide a `return_url` when confirming using "+
			"payment_method_types[]=%s.",
			m.Type)
	}
	if only := families[m.Type].currency; only != "" && only != pi.Currency {
		return invalid("", "currency",
			"The currency provided (%s) is invalid for one or more payment methods specified on this Payment "+
				"Intent: %s.",
			pi.Currency, m.Type)
	}
	return nil
}

// attempt tries the intent's method. It returns an error only if the attempt ends before the customer or a
// bank is involved.
func (a *account) attempt(pi *intent, p params) (any, error) {
	m, _ := a.methods.find(string(pi.PaymentMethod))
	a.clearAction(pi)
	pi.LastPaymentError = nil
	family := families[m.Type]
	switch {
	case family.transfer:
		a.awaitTransfer(pi)
	case family.voucher:
		a.issueVoucher(pi, m)
	case wantsMicrodeposits(pi, m):
		a.awaitDeposits(pi)
	case (m.act.challenge || family.redirects) && (p.boolean("error_on_requires_action") || p.boolean("off_session")):
		return nil, a.decline(pi, m, needsCustomer)
	case m.act.challenge || family.redirects:
		a.askCustomer(pi)
	default:
		if f := a.proceed(pi, m); f != nil {
			return nil, f
		}
	}
	return pi, nil
}

// proceed continues after the customer has agreed: with the network, or with a slow bank.
func (a *account) proceed(pi *intent, m *method) *failure {
	a.clearAction(pi)
	switch {
	case families[m.Type].delayed:
		a.process(pi, m)
		return nil
	case m.act.decline != nil:
		return a.decline(pi, m, m.act.decline)
	}
	ch := a.newCharge(pi, m, "pending")
	ch.approve(m, pi.CaptureMethod != manual)
	a.emit("charge.succeeded", ch)
	if ch.Captured {
		a.succeed(pi, m, ch)
	} else {
		pi.Status, pi.AmountCapturable = requiresCapture, pi.Amount
		a.emit("payment_intent.amount_capturable_updated", pi)
		a.after(holdDays*24*time.Hour, func() { a.expire(pi, ch) })
	}
	return nil
}

// succeed completes a paid payment; ch is captured.
func (a *account) succeed(pi *intent, m *method, ch *charge) {
	pi.Status, pi.AmountReceived, pi.AmountCapturable = succeeded, ch.AmountCaptured, 0
	pi.Processing = nil
	a.emit("payment_intent.succeeded", pi)
	a.saveMethod(pi, m)
	if m.act.review != "" {
		a.openReview(ch, m.act.review)
	}
	if m.act.dispute != "" {
		a.openDispute(ch, m.act.dispute, m.act.caseType())
	}
}

// saveMethod saves the method with the customer if setup_future_usage requires it. A method that cannot be
// saved stays unsaved, as at Stripe.
func (a *account) saveMethod(pi *intent, m *method) {
	if pi.SetupFutureUsage == "" || pi.Customer == "" || m.Customer != "" {
		return
	}
	if families[m.Type].redirects {
		m = a.generateDebit(m)
	}
	if m != nil {
		m.Customer = pi.Customer
		a.emit("payment_method.attached", m)
	}
}

// generateDebit returns what is saved in place of a method that cannot be saved: a SEPA debit of the same
// account; nil if Stripe makes none. https://docs.stripe.com/payments/ideal/save-during-payment.
func (a *account) generateDebit(from *method) *method {
	if !families[from.Type].debits {
		return nil
	}
	m, f := a.methodBy("pm_sepaDebit")
	if f != nil {
		return nil
	}
	m.AllowRedisplay, m.Billing = from.AllowRedisplay, from.Billing
	return m
}

// decline records a failed charge and returns the response of the request that caused it.
func (a *account) decline(pi *intent, m *method, d *decline) *failure {
	ch := a.newCharge(pi, m, "pending")
	return a.failCharge(pi, m, ch, d)
}

// failCharge ends a refused charge, at once or after days.
func (a *account) failCharge(pi *intent, m *method, ch *charge, d *decline) *failure {
	ch.reject(d)
	f := cardError(m, d)
	f.Charge = ch.ID
	a.emit("charge.failed", ch)
	a.fail(pi, f)
	answer := *f
	answer.PaymentIntent = pi
	return &answer
}

// fail returns the intent to the status in which another method can be tried.
func (a *account) fail(pi *intent, f *failure) {
	a.clearAction(pi)
	pi.Status, pi.LastPaymentError, pi.PaymentMethod, pi.Processing = requiresPaymentMethod, f, "", nil
	a.emit("payment_intent.payment_failed", pi)
}

func cardError(m *method, d *decline) *failure {
	return &failure{
		status: http.StatusPaymentRequired, Type: typeCard, Code: d.code, DeclineCode: d.reason, DocURL: docURL(d.code),
		Message: d.message, PaymentMethod: m,
	}
}

// process leaves the payment to the bank until it is settled.
func (a *account) process(pi *intent, m *method) {
	ch := a.newCharge(pi, m, "pending")
	pi.Status = processing
	a.emit("charge.pending", ch)
	a.emit("payment_intent.processing", pi)
	a.after(a.opts.Settle, func() { a.settleCharge(ch, m.act.decline) })
}

// settleCharge ends a debit; d is nil if the bank has paid. A charge that is already settled stays as it is.
func (a *account) settleCharge(ch *charge, d *decline) {
	pi, _ := a.intents.find(string(ch.PaymentIntent))
	if ch.Status != "pending" || pi.Status != processing {
		return
	}
	m, _ := a.methods.find(string(ch.PaymentMethod))
	if d != nil {
		_ = a.failCharge(pi, m, ch, d)
		return
	}
	ch.approve(m, true)
	a.emit("charge.succeeded", ch)
	a.succeed(pi, m, ch)
}

// clearAction removes the open step of an earlier confirmation.
func (a *account) clearAction(pi *intent) {
	delete(a.pages, pi.page)
	pi.page, pi.NextAction, pi.elsewhere = "", nil, false
	pi.turn++
}

// askCustomer redirects the customer to the bank's page: a 3D Secure challenge, or the page of a redirect
// method.
func (a *account) askCustomer(pi *intent) {
	token := strings.ToLower(a.ids.letters(24))
	url := a.base + pagePath + token
	a.pages[token] = pi.ID
	pi.page, pi.Status = token, requiresAction
	m, _ := a.methods.find(string(pi.PaymentMethod))
	pi.inPage = pi.returnURL == "" || (pi.stripeJS && !families[m.Type].redirects)
	if !pi.inPage {
		pi.NextAction = document{
			"type":            "redirect_to_url",
			"redirect_to_url": document{"return_url": pi.returnURL, "url": url},
		}
	} else {
		pi.NextAction = document{
			"type":           "use_stripe_sdk",
			"use_stripe_sdk": document{"type": "three_d_secure_redirect", "stripe_js": url, "source": "src_" + token},
		}
	}
	a.emit("payment_intent.requires_action", pi)
}

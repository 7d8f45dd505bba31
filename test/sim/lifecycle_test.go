package sim_test

import (
	"fmt"

	"kasse/service/payment"
)

// changed records a PaymentIntent's new status and makes its event, if the status has one.
func (s *stripe) changed(p *intent, kind string) {
	p.was = append(p.was, p.show().Snapshot)
	if kind != "" {
		s.announce(p, kind)
	}
	s.sim.checkOnePayable(p)
}

func (s *stripe) charge(p *intent) {
	s.charges++
	p.Charge.ID, p.charged = fmt.Sprintf("ch_%d", s.charges), s.clock()
}

func (s *stripe) needsAction(p *intent) {
	p.Status, p.Failure = payment.RequiresAction, nil
	s.changed(p, "payment_intent.requires_action")
}

func (s *stripe) fail(p *intent, code string) {
	p.Status = payment.RequiresPaymentMethod
	p.Failure = &payment.Failure{Code: code, Charge: p.Charge.ID}
	s.changed(p, "payment_intent.payment_failed")
}

func (s *stripe) process(p *intent) {
	p.Status, p.Failure = payment.Processing, nil
	s.changed(p, "payment_intent.processing")
}

// accept lets the payment succeed: the money is received, or reserved for a manual capture.
func (s *stripe) accept(p *intent) {
	p.Failure = nil
	if p.CaptureMethod == payment.CaptureManual && p.Status != payment.RequiresCapture {
		p.Status, p.AmountCapturable = payment.RequiresCapture, p.Amount
		s.changed(p, "payment_intent.amount_capturable_updated")
		return
	}
	s.receive(p, p.Amount)
}

func (s *stripe) receive(p *intent, amount int64) {
	p.Status, p.AmountReceived, p.AmountCapturable = payment.Succeeded, amount, 0
	for _, other := range s.intents {
		p.paid = max(p.paid, other.paid)
	}
	p.paid++
	s.changed(p, "payment_intent.succeeded")
}

func (s *stripe) end(p *intent) {
	p.Status, p.Failure, p.AmountCapturable = payment.Canceled, nil, 0
	s.changed(p, "payment_intent.canceled")
}

// authenticationFailure is the code of a failure without a charge.
const authenticationFailure = "payment_intent_authentication_failure"

// act is a change of a PaymentIntent by a customer or a bank.
type act struct {
	name string
	from []payment.Status
	do   func(*stripe, *intent)
}

var (
	unpaid   = []payment.Status{payment.RequiresPaymentMethod}
	inAction = []payment.Status{payment.RequiresAction}
	inDebit  = []payment.Status{payment.Processing}
	expiring = []payment.Status{payment.RequiresPaymentMethod, payment.RequiresAction, payment.RequiresCapture}
)

var acts = []act{
	{"pays", unpaid, func(s *stripe, p *intent) { s.charge(p); s.accept(p) }},
	{"is declined", unpaid, func(s *stripe, p *intent) { s.charge(p); s.fail(p, "card_declined") }},
	{
		"is declined before a charge", unpaid,
		func(s *stripe, p *intent) { s.fail(p, "payment_method_provider_decline") },
	},
	{"has to authenticate", unpaid, (*stripe).needsAction},
	{"has to authenticate", unpaid, (*stripe).needsAction}, // again, so that it is drawn more often
	{"sends a debit", unpaid, func(s *stripe, p *intent) { s.charge(p); s.process(p) }},
	{"authenticates", inAction, func(s *stripe, p *intent) { s.charge(p); s.accept(p) }},
	{"authenticates a debit", inAction, func(s *stripe, p *intent) { s.charge(p); s.process(p) }},
	{"fails to authenticate", inAction, func(s *stripe, p *intent) { s.fail(p, authenticationFailure) }},
	{"has the debit settled", inDebit, (*stripe).accept},
	{"has the debit fail", inDebit, func(s *stripe, p *intent) { s.fail(p, "payment_intent_payment_attempt_failed") }},
	{"lets the payment expire", expiring, (*stripe).end},
	{"has the payment captured", []payment.Status{payment.RequiresCapture}, (*stripe).accept},
}

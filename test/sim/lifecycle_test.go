package sim_test

import (
	"fmt"

	"kasse/service"
)

// happened notes what a payment has become, and makes the event of it, if there is one.
func (s *stripe) happened(p *intent, kind string) {
	p.was = append(p.was, p.show().Snapshot)
	if kind != "" {
		s.announce(p, kind)
	}
	s.world.judgeTruth(p)
}

func (s *stripe) charge(p *intent) {
	s.charges++
	p.Charge.ID = fmt.Sprintf("ch_%d", s.charges)
}

func (s *stripe) needsAction(p *intent) {
	p.Status, p.Failure = service.RequiresAction, nil
	s.happened(p, "payment_intent.requires_action")
}

func (s *stripe) fail(p *intent, code string) {
	p.Status = service.RequiresPaymentMethod
	p.Failure = &service.Failure{Code: code, Charge: p.Charge.ID}
	s.happened(p, "payment_intent.payment_failed")
}

func (s *stripe) process(p *intent) {
	p.Status, p.Failure = service.Processing, nil
	s.happened(p, "payment_intent.processing")
}

// accept is the bank's yes: the money comes, or is set aside for a manual capture.
func (s *stripe) accept(p *intent) {
	p.Failure = nil
	if p.CaptureMethod == service.CaptureManual && p.Status != service.RequiresCapture {
		p.Status, p.AmountCapturable = service.RequiresCapture, p.Amount
		s.happened(p, "payment_intent.amount_capturable_updated")
		return
	}
	s.receive(p, p.Amount)
}

func (s *stripe) receive(p *intent, amount int64) {
	p.Status, p.AmountReceived, p.AmountCapturable = service.Succeeded, amount, 0
	for _, other := range s.intents {
		p.paid = max(p.paid, other.paid)
	}
	p.paid++
	s.happened(p, "payment_intent.succeeded")
}

func (s *stripe) end(p *intent) {
	p.Status, p.Failure, p.AmountCapturable = service.Canceled, nil, 0
	s.happened(p, "payment_intent.canceled")
}

// authenticationFailure is a failure that made no charge.
const authenticationFailure = "payment_intent_authentication_failure"

// act is one thing that a customer or a bank may do to a payment.
type act struct {
	name string
	from []service.Status
	do   func(*stripe, *intent)
}

var waiting = []service.Status{service.RequiresPaymentMethod}

var acts = []act{
	{"pays", waiting, func(s *stripe, p *intent) { s.charge(p); s.accept(p) }},
	{"is declined", waiting, func(s *stripe, p *intent) { s.charge(p); s.fail(p, "card_declined") }},
	{"is declined before a charge", waiting, func(s *stripe, p *intent) { s.fail(p, "payment_method_provider_decline") }},
	{"has to authenticate", waiting, (*stripe).needsAction},
	{"has to authenticate too", waiting, (*stripe).needsAction},
	{"sends a debit", waiting, func(s *stripe, p *intent) { s.charge(p); s.process(p) }},
	{"authenticates", []service.Status{service.RequiresAction}, func(s *stripe, p *intent) { s.charge(p); s.accept(p) }},
	{"authenticates a debit", []service.Status{service.RequiresAction}, func(s *stripe, p *intent) { s.charge(p); s.process(p) }},
	{"fails to authenticate", []service.Status{service.RequiresAction}, func(s *stripe, p *intent) { s.fail(p, authenticationFailure) }},
	{"gets its debit", []service.Status{service.Processing}, (*stripe).accept},
	{"gets no debit", []service.Status{service.Processing}, func(s *stripe, p *intent) { s.fail(p, "payment_intent_payment_attempt_failed") }},
	{"lets it run out", []service.Status{service.RequiresPaymentMethod, service.RequiresAction, service.RequiresCapture}, (*stripe).end},
	{"is captured", []service.Status{service.RequiresCapture}, (*stripe).accept},
}

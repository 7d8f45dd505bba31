package stripesim

import (
	"maps"
	"slices"
	"time"
)

// methodFor maps a status to a payment method whose attempt leads to it.
var methodFor = map[status]string{
	succeeded:             "pm_card_visa",
	requiresCapture:       "pm_card_visa",
	processing:            "pm_sepaDebit",
	requiresAction:        "pm_card_authenticationRequired",
	requiresPaymentMethod: "pm_card_visa_chargeDeclined",
	requiresConfirmation:  "pm_card_visa",
}

// SetStatus brings a payment to a status by the transitions that lead there, with their events: it
// attempts a fitting payment method, answers an open bank page, settles a debit, pays a voucher or
// captures an authorisation. requires_payment_method means a declined attempt. A status that no
// transition reaches is an error.
func (s *Server) SetStatus(paymentIntent, to string) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure { return a.moveTo(pi, status(to)) })
}

// Authenticate answers the bank page or 3D Secure challenge that a payment waits for.
func (s *Server) Authenticate(paymentIntent string, agreed bool) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		if pi.page == "" {
			return unexpectedState(pi, "%s waits for no bank page", pi)
		}
		a.authenticate(pi, agreed)
		return nil
	})
}

// FailAuthentication lets the bank refuse at a page or 3D Secure challenge, with one of Stripe's codes for
// it: "payment_intent_authentication_failure", or "authentication_failure" since 2026-08-26.
func (s *Server) FailAuthentication(paymentIntent, code string) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		if pi.page == "" {
			return unexpectedState(pi, "%s waits for no bank page", pi)
		}
		a.fail(pi, authenticationFailure(a.methodInUse(pi), either(code, notAuthenticated)))
		return nil
	})
}

// Settle ends the waiting of a payment. In processing the bank pays or refuses. In requires_action a voucher
// is paid, a transfer arrives, or they expire.
func (s *Server) Settle(paymentIntent string, paid bool) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		switch {
		case pi.waitsElsewhere():
			a.finishElsewhere(pi, paid)
		case pi.in(processing):
			a.answerDebit(pi, paid)
		default:
			return unexpectedState(pi, "%s has no debit, voucher or transfer that could settle", pi)
		}
		return nil
	})
}

// SettleAll settles every pending debit and refund according to its payment method, without moving the clock.
func (s *Server) SettleAll() {
	_ = s.locked(func(a *account) error {
		a.settleNow()
		return nil
	})
}

// SaveMethod attaches a payment method, such as pm_card_visa, to a customer and returns its id.
// allowRedisplay is always, limited or unspecified.
func (s *Server) SaveMethod(customer, method, allowRedisplay string) (id string, err error) {
	err = s.locked(func(a *account) error {
		if _, ok := a.customers.find(customer); !ok {
			return missing("customer", customer, "customer")
		}
		m, f := a.methodBy(method)
		if f == nil {
			f = a.attach(m, customer)
		}
		if f != nil {
			return f
		}
		m.AllowRedisplay = either(allowRedisplay, "always")
		id = m.ID
		return nil
	})
	return id, err
}

// Now is the simulator's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account.now()
}

// Advance moves the simulator's clock forward and runs the timers that fall due by that.
func (s *Server) Advance(d time.Duration) {
	_ = s.locked(func(a *account) error {
		a.offset += max(0, d)
		a.runDue()
		return nil
	})
}

// SetRates changes how often events are delivered twice, delivered late, or never made, from the
// next event on.
func (s *Server) SetRates(duplicate, reorder, drop float64) {
	_ = s.locked(func(a *account) error {
		a.eventFaults.Duplicate, a.eventFaults.Reorder, a.eventFaults.Drop = duplicate, reorder, drop
		return nil
	})
}

// Undelivered is the number of deliveries that have not arrived yet.
func (s *Server) Undelivered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account.outbox.undelivered
}

func (s *Server) withIntent(id string, work func(*account, *intent) *failure) error {
	return s.locked(func(a *account) error {
		pi, ok := a.intents.find(id)
		if !ok {
			return missing("payment_intent", id, "payment_intent")
		}
		if f := work(a, pi); f != nil {
			return f
		}
		return nil
	})
}

// moveTo is SetStatus.
func (a *account) moveTo(pi *intent, to status) *failure {
	switch {
	case pi.in(to) && (to != requiresPaymentMethod || pi.failed()):
		return nil
	case pi.page != "" && to != canceled:
		a.authenticate(pi, to != requiresPaymentMethod)
		return a.moveTo(pi, to)
	case pi.waitsElsewhere() && to != canceled && to != requiresAction:
		a.finishElsewhere(pi, to != requiresPaymentMethod)
		return a.moveTo(pi, to)
	case pi.in(processing) && (to == succeeded || to == requiresPaymentMethod):
		a.answerDebit(pi, to == succeeded)
	case pi.in(requiresCapture) && to == succeeded:
		a.capture(pi, pi.AmountCapturable)
	case to == canceled && !pi.in(succeeded, processing):
		a.cancel(pi, "")
	case pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction):
		return a.attemptUntil(pi, to)
	}
	if !pi.in(to) {
		return unexpectedState(pi, "%s cannot become %s", pi, to)
	}
	return nil
}

// attemptUntil attempts the payment with a method that leads to the status.
func (a *account) attemptUntil(pi *intent, to status) *failure {
	name, ok := methodFor[to]
	if !ok {
		return invalid("", "status", "Invalid status: %s; must be one of %v or canceled", to,
			slices.Sorted(maps.Keys(methodFor)))
	}
	m, f := a.methodBy(name)
	if f != nil {
		return f
	}
	pi.PaymentMethod = text(m.ID)
	if to == requiresCapture {
		pi.CaptureMethod = manual
	}
	if to == requiresConfirmation {
		pi.Status = to
		return nil
	}
	_, _ = a.attempt(pi, nil)
	return a.moveTo(pi, to)
}

// answerDebit settles a payment in processing as paid or failed, instead of by its payment method.
func (a *account) answerDebit(pi *intent, paid bool) {
	ch, _ := a.charges.find(string(pi.LatestCharge))
	if paid {
		a.settleCharge(ch, nil)
	} else {
		a.settleCharge(ch, debitFailed)
	}
}

package stripesim

import (
	"maps"
	"slices"
	"time"
)

// PayWith attempts a payment with a payment method, such as pm_sofort, even if it is not offered. The result
// is a payment whose method has ended since, or is no longer offered by the shop's account.
func (s *Server) PayWith(paymentIntent, method string) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure { return a.payWith(pi, method) })
}

func (a *account) payWith(pi *intent, name string) *failure {
	if !pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction) {
		return notConfirmable(pi)
	}
	m, f := a.methodBy(name)
	if f != nil {
		return f
	}
	if only := families[m.Type].currency; only != "" && only != pi.Currency {
		return invalid("", "currency", "%s pays in %s only.", m.Type, only)
	}
	if !slices.Contains(pi.PaymentMethodTypes, m.Type) {
		pi.PaymentMethodTypes = append(slices.Clone(pi.PaymentMethodTypes), m.Type)
	}
	pi.PaymentMethod = text(m.ID)
	_, _ = a.attempt(pi, nil)
	return nil
}

// actionMethods are payment methods that lead to a next_action, by its type.
var actionMethods = map[string]string{
	"boleto_display_details":     "pm_boleto",
	"konbini_display_details":    "pm_konbini",
	"multibanco_display_details": "pm_multibanco",
	"oxxo_display_details":       "pm_oxxo",
	"redirect_to_url":            "pm_ideal",
	"use_stripe_sdk":             "pm_card_authenticationRequired",
}

// StartAction brings a payment to requires_action with a next_action of the given type. For a
// voucher, life is how long it can be paid, or zero for Stripe's own time. A type that Stripe does
// not have is shown as it is.
func (s *Server) StartAction(paymentIntent, action string, life time.Duration) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure { return a.startAction(pi, action, life) })
}

func (a *account) startAction(pi *intent, action string, life time.Duration) *failure {
	if name, known := actionMethods[action]; known {
		if life > 0 {
			a.limitVoucher(pi, action, life)
		}
		return a.payWith(pi, name)
	}
	if !pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction) {
		return notConfirmable(pi)
	}
	name := map[string]string{transferAction: "pm_customerBalance", depositAction: "pm_usBankAccount_success"}[action]
	m, f := a.methodBy(either(name, "pm_card_visa"))
	if f != nil {
		return f
	}
	a.clearAction(pi)
	pi.LastPaymentError, pi.PaymentMethod = nil, text(m.ID)
	switch action {
	case transferAction:
		a.awaitTransfer(pi)
	case depositAction:
		a.awaitDeposits(pi)
	default:
		a.waitElsewhere(pi, action, document{"expires_at": a.now().Add(life).Unix()})
	}
	return nil
}

// limitVoucher sets the time until which the next voucher can be paid.
func (a *account) limitVoucher(pi *intent, action string, life time.Duration) {
	options := maps.Clone(pi.PaymentMethodOptions)
	if options == nil {
		options = document{}
	}
	for kind, v := range vouchers {
		if v.action == action {
			options[kind] = document{"expires_at": a.now().Add(life).Unix()}
		}
	}
	pi.PaymentMethodOptions = options
}

// Decline attempts a payment with a card that is declined with a code of Stripe's, such as
// expired_payment_method, and a decline code, which may be empty. The authentication failures make
// no charge; all other codes make one.
func (s *Server) Decline(paymentIntent, code, declineCode string) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		if !pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction) {
			return notConfirmable(pi)
		}
		m, f := a.methodBy("pm_card_visa_chargeDeclined")
		if f != nil {
			return f
		}
		pi.PaymentMethod = text(m.ID)
		if code == notAuthenticated || code == "authentication_failure" {
			a.fail(pi, authenticationFailure(m, code))
		} else {
			_ = a.decline(
				pi, m, &decline{either(code, "card_declined"), declineCode, "Your payment method was declined."},
			)
		}
		return nil
	})
}

// UpdateCharge changes the receipt of a payment's latest charge, with charge.updated, as Stripe
// does when the balance transaction of an asynchronous capture is there. An empty URL takes the
// receipt away.
func (s *Server) UpdateCharge(paymentIntent, receiptURL string) error {
	return s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		ch, ok := a.charges.find(string(pi.LatestCharge))
		if !ok {
			return unexpectedState(pi, "%s has no charge", pi)
		}
		ch.ReceiptURL = text(receiptURL)
		a.emit("charge.updated", ch)
		return nil
	})
}

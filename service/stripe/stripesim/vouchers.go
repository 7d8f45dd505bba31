package stripesim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// voucher is a payment for which the customer gets details from Stripe and pays elsewhere, days later.
type voucher struct {
	action  string // type of the next_action
	life    int    // days until it expires, if the payment method's options do not set it
	expires string // member with the expiry; empty if it never expires
	details func(*account, *intent) document
}

// vouchers are the families with vouchers, by the type of the payment method. A voucher's URL does not work
// here. Source: https://docs.stripe.com/payments/vouchers, and npm's stripe 23.1.0 for the members.
var vouchers = map[string]voucher{
	"boleto":     {"boleto_display_details", 3, "expires_at", (*account).boletoDetails},
	"konbini":    {"konbini_display_details", 3, "expires_at", (*account).konbiniDetails},
	"multibanco": {"multibanco_display_details", 7, "expires_at", (*account).multibancoDetails},
	"oxxo":       {"oxxo_display_details", 3, "expires_after", (*account).oxxoDetails},
}

func voucherURL(kind string, pi *intent) string {
	return "https://payments.stripe.com/" + kind + "/voucher/test_" + pi.ID
}

func (a *account) boletoDetails(pi *intent) document {
	url := voucherURL("boleto", pi)
	return document{"hosted_voucher_url": url, "number": a.ids.digits(47), "pdf": url + "/pdf"}
}

func (a *account) konbiniDetails(pi *intent) document {
	store := func() document {
		return document{"confirmation_number": a.ids.digits(11), "payment_code": a.ids.digits(6)}
	}
	return document{
		"hosted_voucher_url": voucherURL("konbini", pi),
		"stores": document{
			"familymart": store(), "lawson": store(), "ministop": store(), "seicomart": store(),
		},
	}
}

func (a *account) multibancoDetails(pi *intent) document {
	return document{"entity": "11240", "hosted_voucher_url": voucherURL("multibanco", pi), "reference": a.ids.digits(9)}
}

func (a *account) oxxoDetails(pi *intent) document {
	return document{"hosted_voucher_url": voucherURL("oxxo", pi), "number": a.ids.digits(32)}
}

// issueVoucher waits for the customer to pay elsewhere. There is no charge until then.
func (a *account) issueVoucher(pi *intent, m *method) {
	v := vouchers[m.Type]
	due := a.voucherExpiry(pi, m.Type, v)
	details := v.details(a, pi)
	details[v.expires] = due.Unix()
	a.waitElsewhere(pi, v.action, details)
	a.finishAfter(pi, due.Sub(a.now()), false)
	a.payVoucher(pi, m)
}

// payVoucher does what Stripe's test mode does for certain e-mail addresses. For other addresses it pays
// after three minutes. Without an address the voucher waits for Server.Settle, or expires. Source:
// https://docs.stripe.com/payments/oxxo/accept-a-payment#test-integration
func (a *account) payVoucher(pi *intent, m *method) {
	email, _ := m.Billing["email"].(string)
	switch {
	case email == "", strings.HasPrefix(email, "fill_never"):
	case strings.HasPrefix(email, "succeed_immediately"):
		a.finishAfter(pi, a.opts.Settle, true)
	case strings.HasPrefix(email, "expire_immediately"):
		a.finishAfter(pi, a.opts.Settle, false)
	case strings.HasPrefix(email, "expire_with_delay"):
		a.finishAfter(pi, voucherDelay, false)
	default:
		a.finishAfter(pi, voucherDelay, true)
	}
}

const voucherDelay = 3 * time.Minute

// finishAfter ends the waiting after d, unless it has ended before.
func (a *account) finishAfter(pi *intent, d time.Duration, paid bool) {
	turn := pi.turn
	a.after(d, func() {
		if pi.turn == turn && pi.waitsElsewhere() {
			a.finishElsewhere(pi, paid)
		}
	})
}

// voucherExpiry reads payment_method_options[TYPE][expires_at], a number of seconds, or
// [expires_after_days].
func (a *account) voucherExpiry(pi *intent, kind string, v voucher) time.Time {
	options, _ := pi.PaymentMethodOptions[kind].(document)
	if seconds, err := strconv.ParseInt(fmt.Sprint(options["expires_at"]), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	days := v.life
	if given, err := strconv.Atoi(fmt.Sprint(options["expires_after_days"])); err == nil {
		days = given
	}
	return a.now().Add(time.Duration(days) * 24 * time.Hour)
}

// methodOptions is payment_method_options as it came, with the numbers that voucherExpiry reads.
func methodOptions(given params) document {
	out := given.document()
	for _, options := range out {
		kind, _ := options.(document)
		for _, name := range []string{"expires_after_days", "expires_at"} {
			if n, err := strconv.ParseInt(fmt.Sprint(kind[name]), 10, 64); err == nil {
				kind[name] = n
			}
		}
	}
	return out
}

// waitElsewhere leaves the payment in requires_action while the customer acts outside the page.
func (a *account) waitElsewhere(pi *intent, action string, details document) {
	pi.Status, pi.elsewhere = requiresAction, true
	pi.NextAction = document{"type": action, action: details}
	a.emit("payment_intent.requires_action", pi)
}

// waitsElsewhere reports whether the customer has to pay a voucher, send money or read a bank
// statement.
func (pi *intent) waitsElsewhere() bool { return pi.in(requiresAction) && pi.elsewhere }

func (a *account) methodInUse(pi *intent) *method {
	m, _ := a.methods.find(string(pi.PaymentMethod))
	return m
}

func attemptExpired(m *method) *failure {
	f := invalid("payment_intent_payment_attempt_expired", "", textExpired)
	f.PaymentMethod = m
	return f
}

// finishElsewhere ends the waiting: the customer has paid, or the details have expired.
func (a *account) finishElsewhere(pi *intent, paid bool) {
	if !paid {
		a.fail(pi, attemptExpired(a.methodInUse(pi)))
		return
	}
	_ = a.proceed(pi, a.methodInUse(pi))
}

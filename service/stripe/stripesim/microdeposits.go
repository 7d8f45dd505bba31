package stripesim

import (
	"slices"
	"time"
)

// Microdeposits prove an account when its bank cannot be asked: small sums arrive, and the customer
// names them.
// Source:
// https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment#verification-with-microdeposits

const depositAction = "verify_with_microdeposits"

// depositDays is how long the deposits take to arrive.
const depositDays = 2

// The deposits of Stripe's test mode: https://docs.stripe.com/testing#test-microdeposits.
var (
	testDeposits  = []string{"32", "45"}
	testStatement = "SM11AA"
	depositShape  = only.with(shape{"amounts": aList, "client_secret": aText, "descriptor_code": aText})
)

// wantsMicrodeposits reports whether the payment method's options ask for them.
func wantsMicrodeposits(pi *intent, m *method) bool {
	options, _ := pi.PaymentMethodOptions["us_bank_account"].(document)
	return m.Type == "us_bank_account" && options["verification_method"] == "microdeposits"
}

func (a *account) awaitDeposits(pi *intent) {
	a.waitElsewhere(pi, depositAction, document{
		"arrival_date":            a.now().Add(depositDays * 24 * time.Hour).Unix(),
		"hosted_verification_url": "https://payments.stripe.com/microdeposit/pacs_test_" + pi.ID,
		"microdeposit_type":       "descriptor_code",
	})
}

// verifyDeposits handles POST /v1/payment_intents/{intent}/verify_microdeposits.
func (a *account) verifyDeposits(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	if pi.NextAction["type"] != depositAction {
		return nil, unexpectedState(pi, "This PaymentIntent does not wait for microdeposits.")
	}
	amounts, code := c.params.list("amounts"), c.params.text("descriptor_code")
	switch {
	case len(amounts) > 0 && !slices.Equal(slices.Sorted(slices.Values(amounts)), testDeposits):
		return nil, invalid("payment_method_microdeposit_verification_amounts_mismatch", "amounts",
			"The amounts provided do not match the amounts that were sent to the bank account.")
	case len(amounts) == 0 && code != testStatement:
		return nil, invalid("payment_method_microdeposit_verification_descriptor_code_mismatch", "descriptor_code",
			"The verification code provided does not match the one sent to the bank account.")
	}
	m := a.methodInUse(pi)
	a.clearAction(pi)
	a.process(pi, m)
	return pi, nil
}

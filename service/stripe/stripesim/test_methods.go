package stripesim

import (
	"strconv"
	"strings"
)

// testMethod is a payment method of Stripe's test mode: https://docs.stripe.com/testing.
type testMethod struct {
	kind, brand, number string // number: a card's, an IBAN's, or an account's
	act                 behaviour
}

var testMethods = map[string]testMethod{
	"pm_card_visa":            {"card", "visa", "4242424242424242", behaviour{}},
	"pm_card_visa_debit":      {"card", "visa", "4000056655665556", behaviour{}},
	"pm_card_mastercard":      {"card", "mastercard", "5555555555554444", behaviour{}},
	"pm_card_amex":            {"card", "amex", "378282246310005", behaviour{}},
	"pm_card_discover":        {"card", "discover", "6011111111111117", behaviour{}},
	"pm_card_bypassPending":   {"card", "visa", "4000000000000077", behaviour{}},
	"pm_card_bypassPendingUS": {"card", "visa", "4000000000000077", behaviour{}},

	"pm_card_chargeDeclined": {
		"card", "visa", "4000000000000002",
		behaviour{decline: genericDecline},
	},
	"pm_card_visa_chargeDeclined": {
		"card", "visa", "4000000000000002",
		behaviour{decline: genericDecline},
	},
	"pm_card_chargeDeclinedInsufficientFunds":      {"card", "visa", "4000000000009995", behaviour{decline: noFunds}},
	"pm_card_visa_chargeDeclinedInsufficientFunds": {"card", "visa", "4000000000009995", behaviour{decline: noFunds}},
	"pm_card_visa_chargeDeclinedLostCard":          {"card", "visa", "4000000000009987", behaviour{decline: lostCard}},
	"pm_card_visa_chargeDeclinedStolenCard": {
		"card", "visa", "4000000000009979", behaviour{decline: stolenCard},
	},
	"pm_card_chargeDeclinedFraudulent": {
		"card", "visa", "4100000000000019", behaviour{decline: fraudulent},
	},
	"pm_card_radarBlock": {
		"card", "visa", "4100000000000019", behaviour{decline: fraudulent},
	},
	"pm_card_chargeDeclinedExpiredCard": {
		"card", "visa", "4000000000000069", behaviour{decline: expiredCard},
	},
	"pm_card_chargeDeclinedIncorrectCvc": {
		"card", "visa", "4000000000000127", behaviour{decline: incorrectCVC},
	},
	"pm_card_chargeDeclinedProcessingError": {
		"card", "visa", "4000000000000119",
		behaviour{decline: processingError},
	},
	"pm_card_chargeCustomerFail": {
		"card", "visa", "4000000000000341",
		behaviour{decline: genericDecline, attaches: true},
	},

	"pm_card_authenticationRequired": {
		"card", "visa", "4000002760003184",
		behaviour{challenge: true},
	},
	"pm_card_threeDSecureRequired": {
		"card", "visa", "4000000000003220",
		behaviour{challenge: true},
	},
	"pm_card_threeDSecure2Required": {
		"card", "visa", "4000000000003220",
		behaviour{challenge: true},
	},
	"pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": {
		"card", "visa", "4000008260003178",
		behaviour{challenge: true, decline: noFunds, attaches: true},
	},
	"pm_card_threeDSecureRequiredChargeDeclined": {
		"card", "visa", "4000008400001629",
		behaviour{challenge: true, decline: genericDecline, attaches: true},
	},

	"pm_card_createDispute": {"card", "visa", "4000000000000259", behaviour{dispute: "fraudulent"}},
	"pm_card_createDisputeProductNotReceived": {
		"card", "visa", "4000000000002685",
		behaviour{dispute: "product_not_received"},
	},
	"pm_card_createDisputeInquiry": {
		"card", "visa", "4000000000001976",
		behaviour{dispute: "fraudulent", inquiry: true},
	},
	"pm_card_riskLevelElevated": {"card", "visa", "4000000000009235", behaviour{review: "rule"}},
	"pm_card_pendingRefund":     {"card", "visa", "4000000000007726", behaviour{refund: "pending"}},
	"pm_card_refundFail":        {"card", "visa", "4000000000005126", behaviour{refund: "fails"}},

	"pm_link":       {"link", "", "", behaviour{}},
	"pm_ideal":      {"ideal", "", "", behaviour{}},
	"pm_bancontact": {"bancontact", "", "", behaviour{}},
	"pm_eps":        {"eps", "", "", behaviour{}},
	"pm_sofort":     {"sofort", "", "", behaviour{}},

	// The names of these are the simulator's own.
	"pm_customerBalance": {"customer_balance", "", "", behaviour{}},
	"pm_boleto":          {"boleto", "", "", behaviour{}},
	"pm_konbini":         {"konbini", "", "", behaviour{}},
	"pm_multibanco":      {"multibanco", "", "", behaviour{}},
	"pm_oxxo":            {"oxxo", "", "", behaviour{}},

	"pm_sepaDebit": {"sepa_debit", "AT", "AT611904300234573201", behaviour{refund: "pending"}},
	"pm_sepaDebit_failed": {
		"sepa_debit", "AT", "AT861904300235473202", behaviour{decline: debitFailed, attaches: true},
	},
	"pm_success_at": {"sepa_debit", "AT", "AT611904300234573201", behaviour{refund: "pending"}},
	"pm_failed_at": {
		"sepa_debit", "AT", "AT861904300235473202", behaviour{decline: debitFailed, attaches: true},
	},
	"pm_disputed_at": {"sepa_debit", "AT", "AT591904300235473203", behaviour{dispute: "general"}},
	"pm_success_de":  {"sepa_debit", "DE", "DE89370400440532013000", behaviour{refund: "pending"}},
	"pm_failed_de": {
		"sepa_debit", "DE", "DE62370400440532013001", behaviour{decline: debitFailed, attaches: true},
	},
	"pm_disputed_de": {"sepa_debit", "DE", "DE35370400440532013002", behaviour{dispute: "general"}},

	"pm_usBankAccount_success":    {"us_bank_account", "", "000123456789", behaviour{refund: "pending"}},
	"pm_usBankAccount_processing": {"us_bank_account", "", "000123456789", behaviour{refund: "pending"}},
	"pm_usBankAccount_accountClosed": {
		"us_bank_account", "", "000111111113",
		behaviour{decline: accountClosed, attaches: true},
	},
	"pm_usBankAccount_noAccount": {
		"us_bank_account", "", "000111111116",
		behaviour{decline: accountMissing, attaches: true},
	},
	"pm_usBankAccount_insufficientFunds": {
		"us_bank_account", "", "000222222227",
		behaviour{decline: accountEmpty, attaches: true},
	},
	"pm_usBankAccount_debitNotAuthorized": {
		"us_bank_account", "", "000333333335",
		behaviour{decline: debitUnauthorised, attaches: true},
	},
	"pm_usBankAccount_dispute": {"us_bank_account", "", "000666666661", behaviour{dispute: "general"}},
}

// byNumber finds a test method by the number that a browser's form sends. If one number has several names
// they behave alike, so any of them will do.
var byNumber = func() map[string]testMethod {
	out := map[string]testMethod{
		"card4000002500003155":           {"card", "visa", "4000002500003155", behaviour{challenge: true}},
		"sepa_debitAT321904300235473204": {"sepa_debit", "AT", "AT321904300235473204", behaviour{refund: "pending"}},
	}
	for _, m := range testMethods {
		if m.number != "" {
			out[m.kind+m.number] = m
		}
	}
	return out
}()

// describe returns the details of a method of a type, from the form of a browser or a backend, and
// the behaviour that the number in it selects.
func describe(kind string, given params) (document, behaviour, *failure) {
	m := testMethod{kind: kind}
	for _, name := range []string{"number", "iban", "account_number"} {
		if number := digits(given.text(name)); number != "" {
			known, ok := byNumber[kind+number]
			if !ok {
				return nil, behaviour{}, unknownNumber(kind, name)
			}
			m = known
		}
	}
	if token, ok := strings.CutPrefix(given.text("token"), "tok_"); ok {
		m = testMethods["pm_card_"+token]
	}
	if m.number == "" && (kind == "card" || kind == "sepa_debit") {
		return nil, behaviour{}, invalid("parameter_missing", kind, "Missing required param: %s.", kind)
	}
	details := m.details()
	for _, name := range []string{"exp_month", "exp_year"} {
		if n, err := strconv.Atoi(given.text(name)); err == nil && kind == "card" {
			details[name] = n
		}
	}
	return details, m.act, nil
}

func unknownNumber(kind, name string) *failure {
	if kind == "card" {
		f := invalid("incorrect_number", "number", "Your card number is incorrect.")
		f.Type = typeCard
		return f.withStatus(402)
	}
	return invalid("", kind+"["+name+"]", "The %s you provided is not one of the test numbers.", name)
}

package stripesim

// family describes the payments of one type of PaymentMethod.
type family struct {
	label     string // name for customers
	redirects bool   // the customer authorises on a bank's page
	delayed   bool   // in processing until the bank answers days later
	transfer  bool   // the customer sends a bank transfer
	voucher   bool   // the customer pays at a shop or cash machine, within days
	debits    bool   // saving it saves a SEPA debit of the same account
	shown     bool   // the Payment Element shows a saved method again
	ended     bool   // Stripe accepts no new payments with it
	currency  string // the only accepted currency; empty: any
}

// families are the supported types of payment methods. Sofort ended on 2025-03-31; old payments still show
// it. Sources: https://docs.stripe.com/payments/payment-methods/payment-method-support, and for the types
// that are shown again https://docs.stripe.com/payments/existing-customers?platform=web&ui=elements
var families = map[string]family{
	"card":            {label: "card", shown: true},
	"link":            {label: "Link", shown: true},
	"sepa_debit":      {label: "SEPA Direct Debit", delayed: true, shown: true, currency: "eur"},
	"us_bank_account": {label: "US bank account", delayed: true, shown: true, currency: "usd"},
	"ideal":           {label: "iDEAL | Wero", redirects: true, debits: true, shown: true, currency: "eur"},
	"bancontact":      {label: "Bancontact", redirects: true, debits: true, shown: true, currency: "eur"},
	"eps":             {label: "EPS", redirects: true, currency: "eur"},
	"sofort": {
		label: "Sofort", redirects: true, delayed: true, debits: true, shown: true, ended: true,
		currency: "eur",
	},
	"customer_balance": {label: "bank transfer", transfer: true},
	"boleto":           {label: "Boleto", voucher: true, currency: "brl"},
	"konbini":          {label: "Konbini", voucher: true, currency: "jpy"},
	"multibanco":       {label: "Multibanco", voucher: true, currency: "eur"},
	"oxxo":             {label: "OXXO", voucher: true, currency: "mxn"},
}

// automaticOrder is the order in which automatic payment methods are offered.
var automaticOrder = []string{
	"card", "bancontact", "eps", "ideal", "sepa_debit", "us_bank_account", "boleto", "konbini", "multibanco", "oxxo",
	"link",
}

// automaticTypes returns the types offered for a currency.
func automaticTypes(currency, redirects string) []string {
	var out []string
	for _, kind := range automaticOrder {
		f := families[kind]
		if (f.currency == "" || f.currency == currency) && (!f.redirects || redirects != "never") {
			out = append(out, kind)
		}
	}
	return out
}

// behaviour is the result of a test payment method; the zero value pays.
type behaviour struct {
	decline   *decline // the confirmation, or a debit's settlement, is declined with it
	challenge bool     // asks for 3D Secure first
	attaches  bool     // can be saved although it declines
	refund    string   // "pending": a refund settles after Settle; "fails": it succeeds and fails after Settle
	dispute   string   // reason of a dispute that follows the charge at once
	inquiry   bool     // the dispute is an inquiry, warning_…
	review    string   // reason of a review that opens with the charge, as by a Radar rule
}

// caseType is the type of the dispute that follows the charge.
func (b behaviour) caseType() string {
	if b.inquiry {
		return "inquiry"
	}
	return "chargeback"
}

// decline is a refusal: https://docs.stripe.com/declines/codes.
type decline struct{ code, reason, message string }

var (
	genericDecline  = &decline{"card_declined", "generic_decline", "Your card was declined."}
	noFunds         = &decline{"card_declined", "insufficient_funds", "Your card has insufficient funds."}
	lostCard        = &decline{"card_declined", "lost_card", "Your card was declined."}
	stolenCard      = &decline{"card_declined", "stolen_card", "Your card was declined."}
	fraudulent      = &decline{"card_declined", "fraudulent", "Your card was declined."}
	expiredCard     = &decline{"expired_card", "", "Your card has expired."}
	incorrectCVC    = &decline{"incorrect_cvc", "", "Your card's security code is incorrect."}
	processingError = &decline{
		"processing_error", "",
		"An error occurred while processing your card. Try again in a little bit.",
	}
	needsCustomer = &decline{
		"authentication_required", "authentication_required",
		"Your card was declined. This transaction requires authentication.",
	}
	debitFailed    = &decline{"payment_intent_payment_attempt_failed", "generic_decline", "The payment failed."}
	accountClosed  = &decline{"account_closed", "", "The customer's bank account has been closed."}
	accountMissing = &decline{"no_account", "", "The bank account could not be located."}
	accountEmpty   = &decline{
		"insufficient_funds", "",
		"The customer's account has insufficient funds to cover this payment.",
	}
	debitUnauthorised = &decline{
		"debit_not_authorized", "",
		"The customer has notified their bank that this payment was unauthorized.",
	}
)

package stripesim

// family says how payments of one type of PaymentMethod go.
type family struct {
	label     string // the name that customers know it by
	redirects bool   // the customer authorises on a page of the bank
	delayed   bool   // the bank's answer comes days later, after processing
	transfer  bool   // the customer sends money by themselves
	voucher   bool   // the customer pays at a shop or a cash machine, within days
	debits    bool   // saving it saves a SEPA debit of the same account
	shown     bool   // the Payment Element shows a saved one again
	ended     bool   // Stripe takes no new payments by it
	currency  string // the only one it takes; empty: any
}

// families are the types that this simulator can pay with. Sofort ended on 2025-03-31; old payments
// still show it.
// Sources: https://docs.stripe.com/payments/payment-methods/payment-method-support, and for the
// types that are shown again
// https://docs.stripe.com/payments/existing-customers?platform=web&ui=elements
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

// automaticTypes are the types offered for a currency.
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

// behaviour is what a test payment method does when it is used; the zero value pays.
type behaviour struct {
	decline   *decline // the confirmation, or a debit's settlement, ends in this
	challenge bool     // asks for 3D Secure first
	attaches  bool     // can be saved although it declines
	refund    string   // "pending": a refund takes Settle; "fails": it succeeds, and fails after Settle
	dispute   string   // reason of the dispute that follows the charge at once
	inquiry   bool     // the dispute is one of the early kind, warning_…
	review    string   // reason of the review that the charge is put under, as a rule of Radar for it does
}

// caseType is the kind of the dispute that follows the charge.
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

package stripesim

// family says how payments of one type of PaymentMethod go.
type family struct {
	redirects bool   // the customer authorises on a page of the bank
	delayed   bool   // the bank's answer comes days later, after processing
	transfer  bool   // the customer sends money by themselves
	debits    bool   // saving it saves a SEPA debit of the same account
	currency  string // the only one it takes; empty: any
}

// families are the types that this simulator can pay with: https://docs.stripe.com/payments/payment-methods/payment-method-support.
var families = map[string]family{
	"card":             {},
	"link":             {},
	"sepa_debit":       {delayed: true, currency: "eur"},
	"us_bank_account":  {delayed: true, currency: "usd"},
	"ideal":            {redirects: true, debits: true, currency: "eur"},
	"bancontact":       {redirects: true, debits: true, currency: "eur"},
	"eps":              {redirects: true, currency: "eur"},
	"sofort":           {redirects: true, delayed: true, debits: true, currency: "eur"},
	"customer_balance": {transfer: true},
}

// automaticOrder is the order in which automatic payment methods are offered.
var automaticOrder = []string{"card", "bancontact", "eps", "ideal", "sofort", "sepa_debit", "us_bank_account", "link"}

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
}

// decline is a refusal: https://docs.stripe.com/declines/codes.
type decline struct{ code, reason, message string }

var (
	genericDecline    = &decline{"card_declined", "generic_decline", "Your card was declined."}
	noFunds           = &decline{"card_declined", "insufficient_funds", "Your card has insufficient funds."}
	lostCard          = &decline{"card_declined", "lost_card", "Your card was declined."}
	stolenCard        = &decline{"card_declined", "stolen_card", "Your card was declined."}
	fraudulent        = &decline{"card_declined", "fraudulent", "Your card was declined."}
	expiredCard       = &decline{"expired_card", "", "Your card has expired."}
	incorrectCVC      = &decline{"incorrect_cvc", "", "Your card's security code is incorrect."}
	processingError   = &decline{"processing_error", "", "An error occurred while processing your card. Try again in a little bit."}
	needsCustomer     = &decline{"authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication."}
	debitFailed       = &decline{"payment_intent_payment_attempt_failed", "generic_decline", "The payment failed."}
	accountClosed     = &decline{"account_closed", "", "The customer's bank account has been closed."}
	accountMissing    = &decline{"no_account", "", "The bank account could not be located."}
	accountEmpty      = &decline{"insufficient_funds", "", "The customer's account has insufficient funds to cover this payment."}
	debitUnauthorised = &decline{"debit_not_authorized", "", "The customer has notified their bank that this payment was unauthorized."}
)

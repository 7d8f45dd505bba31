package payment

import "bytes"

// FailureView is the last failed attempt, in Stripe's codes and our own words.
type FailureView struct {
	Code        *string `json:"code"`
	DeclineCode *string `json:"decline_code"`
	Message     string  `json:"message"`
}

// failureTexts are our own English, for developers; shops show their own text by code and decline_code.
var failureTexts = map[string]string{
	"card_declined":                          "The card was declined.",
	"expired_card":                           "The card has expired.",
	"incorrect_cvc":                          "The card's security code is wrong.",
	"incorrect_number":                       "The card number is wrong.",
	"insufficient_funds":                     "The account has insufficient funds.",
	"processing_error":                       "The card could not be processed; the same card may work again.",
	"authentication_required":                "The card's bank asks the customer to authenticate.",
	authenticationFailure:                    "The customer did not pass the bank's authentication.",
	"authentication_failure":                 "The customer did not pass the bank's authentication.",
	"expired_payment_method":                 "The payment method has expired.",
	"incorrect_postal_code":                  "The postal code does not match the card's.",
	"payment_method_restricted":              "The payment method cannot be used for this payment.",
	"payment_intent_payment_attempt_failed":  "The payment attempt failed.",
	"payment_intent_payment_attempt_expired": "The payment attempt ran out of time.",
	"payment_method_provider_decline":        "The payment method's provider declined.",
	"payment_method_customer_decline":        "The customer declined at the payment method's own page.",
}

// explain puts a failure into the words of the contract.
func explain(f *Failure) *FailureView {
	if f == nil {
		return nil
	}
	text, known := failureTexts[f.DeclineCode]
	if !known {
		text, known = failureTexts[f.Code]
	}
	if !known {
		text = "The payment attempt failed; code and decline_code give the reason."
	}
	return &FailureView{Code: optional(f.Code), DeclineCode: optional(f.DeclineCode), Message: text}
}

// sameMeaning reports whether two failures are the same to a caller.
func (f *FailureView) sameMeaning(o *FailureView) bool {
	return f == o || (f != nil && o != nil && equal(f.Code, o.Code) && equal(f.DeclineCode, o.DeclineCode))
}

const genericDecline = "generic_decline"

// hiddenDeclines are decline codes that the customer must not see, since they would inform the user of a
// stolen card. Stripe recommends a generic decline for some, and documents for others that the card may be
// reported lost or stolen.
var hiddenDeclines = map[string]bool{
	"fraudulent": true, "lost_card": true, "merchant_blacklist": true, "pickup_card": true, "restricted_card": true,
	"stolen_card": true,
}

// BrowserDecline returns a decline code as a page may know it.
func BrowserDecline(code string) string {
	if hiddenDeclines[code] {
		return genericDecline
	}
	return code
}

// declineStart begins the decline code in the failure of a rendered view. It cannot occur inside a JSON
// string, where its quotation marks would be escaped.
var declineStart = []byte(`"decline_code":"`)

// BrowserView returns a rendered View as a page may see it: its decline code as in BrowserDecline. The view that it was
// given stays as it was.
func BrowserView(view []byte) []byte {
	m := topMemberOf(view, "failure")
	at := bytes.Index(view[m.at:m.end], declineStart)
	if at < 0 {
		return view
	}
	at += m.at + len(declineStart)
	end := bytes.IndexByte(view[at:], '"')
	if end < 0 || !hiddenDeclines[string(view[at:at+end])] {
		return view
	}
	return bytes.Join([][]byte{view[:at], view[at+end:]}, []byte(genericDecline))
}

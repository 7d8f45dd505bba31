package stripesim

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// details is the member of a PaymentMethod that is named after its type.
func (m testMethod) details() document {
	switch m.kind {
	case "card":
		return m.card()
	case "link":
		return document{"email": "jenny@example.com"}
	case "sepa_debit":
		return document{
			"bank_code": m.number[4:9], "branch_code": "", "country": m.brand, "fingerprint": m.fingerprint(),
			"last4":          m.last4(),
			"generated_from": document{"charge": nil, "setup_attempt": nil},
		}
	case "us_bank_account":
		return document{
			"account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
			"financial_connections_account": nil,
			"fingerprint":                   m.fingerprint(), "last4": m.last4(),
			"networks":       document{"preferred": "ach", "supported": []string{"ach"}},
			"routing_number": "110000000", "status_details": document{},
		}
	case "ideal":
		return document{"bank": "ing", "bic": "INGBNL2A"}
	case "eps":
		return document{"bank": "raiffeisen_bankengruppe_osterreich"}
	case "sofort":
		return document{"country": "DE"}
	case "boleto":
		return document{"tax_id": "00000000000000"}
	}
	return document{}
}

func (m testMethod) card() document {
	return document{
		"brand":         m.brand,
		"checks":        document{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
		"country":       "US",
		"display_brand": m.brand, "exp_month": 8, "exp_year": 2034, "fingerprint": m.fingerprint(), "funding": "credit",
		"generated_from": nil,
		"last4":          m.last4(), "networks": document{"available": []string{m.brand}, "preferred": nil},
		"three_d_secure_usage": document{"supported": true},
		"wallet":               nil,
	}
}

func (m testMethod) last4() string {
	if len(m.number) < 4 {
		return "0000"
	}
	return m.number[len(m.number)-4:]
}

// fingerprint is the same for the same number, as Stripe's is within an account.
func (m testMethod) fingerprint() string {
	sum := sha256.Sum256([]byte(m.number))
	return hex.EncodeToString(sum[:8])
}

// holdDays is how long a card authorisation stands:
// https://docs.stripe.com/payments/place-a-hold-on-a-payment-method.
const holdDays = 7

// chargeDetails is payment_method_details of a charge: the method at the time of its use.
func chargeDetails(m *method, ch *charge) document {
	if m.Type != "card" {
		return document{"type": m.Type, m.Type: usedDetails(m)}
	}
	card := document{
		"amount_authorized": ch.Amount, "authorization_code": nil,
		"extended_authorization":    document{"status": "disabled"},
		"incremental_authorization": document{"status": "unavailable"}, "installments": nil, "mandate": nil,
		"multicapture": document{"status": "unavailable"}, "network": m.details["brand"],
		"network_token":  document{"used": false},
		"overcapture":    document{"maximum_amount_capturable": ch.Amount, "status": "unavailable"},
		"three_d_secure": nil, "wallet": nil,
	}
	for name := range strings.FieldsSeq("brand checks country exp_month exp_year fingerprint funding last4") {
		card[name] = m.details[name]
	}
	if !ch.Captured && ch.Status == "succeeded" {
		card["capture_before"] = ch.Created + holdDays*24*60*60
	}
	return document{"type": "card", "card": card}
}

// usedDetails drops the members that only a PaymentMethod has, and adds those that only a charge has.
func usedDetails(m *method) document {
	pick := func(names ...string) document {
		out := document{}
		for _, name := range names {
			out[name] = m.details[name]
		}
		return out
	}
	switch m.Type {
	case "sepa_debit":
		return pick("bank_code", "branch_code", "country", "fingerprint", "last4", "mandate")
	case "us_bank_account":
		return pick("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
	case "ideal":
		return pick(
			"bank", "bic", "generated_sepa_debit", "generated_sepa_debit_mandate", "iban_last4", "verified_name",
		)
	case "bancontact":
		return pick("bank_code", "bank_name", "bic", "generated_sepa_debit", "generated_sepa_debit_mandate",
			"iban_last4", "preferred_language", "verified_name")
	case "sofort":
		return pick("bank_code", "bank_name", "bic", "country", "generated_sepa_debit", "generated_sepa_debit_mandate",
			"iban_last4", "preferred_language", "verified_name")
	case "eps":
		return pick("bank", "verified_name")
	case "link":
		return pick("country")
	case "boleto":
		return pick("tax_id")
	case "konbini":
		return pick("store")
	case "multibanco":
		return pick("entity", "reference")
	case "oxxo":
		return pick("number")
	}
	return document{}
}

package stripesim

import "maps"

// Members that 2026-10-28.endive has and 2024-06-20 has not, with their values while nothing is set, and
// removed members. Source: npm's stripe 23.1.0; test/stripe-types lists its members in testdata.
var (
	addedMembers = map[string]document{
		"payment_intent": {
			"allowed_payment_method_types": nil, "customer_account": nil, "excluded_payment_method_types": nil,
			"managed_payments": nil, "payment_record": nil,
		},
		"refund": {"customer": nil, "customer_account": nil, "payment_method": nil},
		"dispute": {
			"enhanced_eligibility_types": []any{}, "intended_submission_method": nil,
		},
		"payment_method":   {"customer_account": nil},
		"customer":         {"customer_account": nil},
		"customer_session": {"customer_account": nil},
	}
	removedMembers = map[string][]string{
		"payment_intent": {"invoice"},
		"charge":         {"destination", "dispute", "invoice", "order"},
	}
)

// modernize converts an object of 2024-06-20 to 2026-10-28.endive.
func (a *account) modernize(object map[string]any, kind string) {
	maps.Copy(object, addedMembers[kind])
	for _, name := range removedMembers[kind] {
		delete(object, name)
	}
	switch kind {
	case "charge":
		modernizeCharge(object)
	case "refund":
		a.modernizeRefund(object)
	case "dispute":
		modernizeDispute(object)
	case "payment_method":
		addTo(object["billing_details"], document{"tax_id": nil})
		addTo(object["card"], document{"regulated_status": "unregulated"})
	case "customer_session":
		modernizeSession(object)
	}
}

// addTo adds the members that an object lacks; other values stay unchanged.
func addTo(node any, members document) {
	object, ok := node.(map[string]any)
	if !ok {
		return
	}
	for name, value := range members {
		if _, there := object[name]; !there {
			object[name] = value
		}
	}
}

func modernizeCharge(ch map[string]any) {
	addTo(ch["billing_details"], document{"tax_id": nil})
	addTo(ch["outcome"], document{"advice_code": nil, "network_advice_code": nil, "network_decline_code": nil})
	paidWith, _ := ch["payment_method_details"].(map[string]any)
	addTo(paidWith["card"], document{
		"electronic_commerce_indicator": nil, "network_transaction_id": nil, "regulated_status": "unregulated",
		"transaction_link_id": nil,
	})
	addTo(paidWith["us_bank_account"], document{"payment_reference": nil})
}

// modernizeRefund adds the customer and payment method of the refunded charge.
func (a *account) modernizeRefund(re map[string]any) {
	id, ok := re["charge"].(string)
	if expanded, is := re["charge"].(map[string]any); is {
		id, ok = expanded["id"].(string)
	}
	if ch, known := a.charges.find(id); ok && known {
		re["customer"], re["payment_method"] = ch.Customer, ch.PaymentMethod
	}
}

func modernizeDispute(d map[string]any) {
	addTo(d["evidence"], document{"enhanced_evidence": document{}})
	addTo(d["evidence_details"], document{"enhanced_eligibility": document{}, "submission_method": "not_submitted"})
	disputed, _ := d["payment_method_details"].(map[string]any)
	if card, ok := disputed["card"].(map[string]any); ok {
		card["network"] = card["brand"]
	}
}

func modernizeSession(s map[string]any) {
	off := document{"enabled": false}
	addTo(s["components"], document{
		"active_entitlements": off, "customer_portal": off,
		"customer_sheet":         document{"enabled": false, "features": nil},
		"mobile_payment_element": document{"enabled": false, "features": nil},
	})
}

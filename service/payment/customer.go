package payment

import "bytes"

// CustomerOf returns the customer in the JSON of a rendered View; empty for a guest's payment.
func CustomerOf(view []byte) CustomerID {
	m := topMemberOf(view, "customer")
	text, isString := bytes.CutPrefix(view[m.value:m.end], []byte(`"`))
	if !isString {
		return ""
	}
	return CustomerID(bytes.TrimSuffix(text, []byte(`"`))) // an id has no character to escape
}

// TermsCustomer returns the customer that the order is for: of its terms, else of its current payment. It is false
// where the order has neither.
func (o *Order) TermsCustomer() (CustomerID, bool) {
	if o.Terms != (Terms{}) {
		return o.Terms.Customer, true
	}
	v, shown := o.View(o.Current())
	if !shown || v.Customer == nil {
		return "", shown
	}
	return *v.Customer, true
}

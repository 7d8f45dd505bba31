package payment

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// ChargeDetails is a charge's payment method details and receipt, as one event or response showed them.
type ChargeDetails struct {
	// Unix seconds by Stripe's clock: the event's created, or the answer's Date
	At         int64  `json:"at"`
	Answered   bool   `json:"read,omitempty"`    // from a response, which outranks an event of the same second
	Type       string `json:"type,omitempty"`    // of the payment method, Stripe's word
	Brand      string `json:"brand,omitempty"`   // empty where the method has none
	Last4      string `json:"last4,omitempty"`   // empty where the method has none
	ReceiptURL string `json:"receipt,omitempty"` // empty where there is none
	Added      Added  `json:"-"`                 // by a newer program
}

// Charges are the details of a payment's charges by their ids.
type Charges map[string]ChargeDetails

// maxCharges bounds the charges kept of one payment. The last one seen is the one that is shown.
const maxCharges = 5

func (d ChargeDetails) compare(o ChargeDetails) int {
	return cmp.Or(
		cmp.Compare(d.At, o.At), cmp.Compare(
			btoi(d.Answered), btoi(o.Answered),
		), strings.Compare(d.ReceiptURL, o.ReceiptURL), strings.Compare(d.Type, o.Type),
		strings.Compare(d.Brand, o.Brand), strings.Compare(d.Last4, o.Last4),
	)
}

// ChargeSeen is a fact: a Charge as an event or an answer of Stripe showed it. Of each the newest counts.
type ChargeSeen struct {
	ID string // "ch_…" or "py_…"
	ChargeDetails
}

func (f ChargeSeen) mergeInto(r *Record) {
	if known, seen := r.Charges[f.ID]; seen && known.compare(f.ChargeDetails) >= 0 {
		return
	}
	r.Charges = maps.Clone(r.Charges)
	if r.Charges == nil {
		r.Charges = Charges{}
	}
	r.Charges[f.ID] = f.ChargeDetails
	if len(r.Charges) > maxCharges {
		delete(r.Charges, r.Charges.oldest())
	}
}

// oldest returns the charge that was seen before all others. A maximum of each and the greatest of them are
// functions of the set that was seen.
func (c Charges) oldest() string {
	return slices.MinFunc(slices.Collect(maps.Keys(c)), func(a, b string) int {
		return cmp.Or(c[a].compare(c[b]), strings.Compare(a, b))
	})
}

// MethodView is the payment method of the last charge. Brand and Last4 are null if the method has none.
type MethodView struct {
	Type  string  `json:"type"`
	Brand *string `json:"brand"`
	Last4 *string `json:"last4"`
}

func (d ChargeDetails) method() *MethodView {
	if d.Type == "" {
		return nil
	}
	return &MethodView{Type: d.Type, Brand: optional(d.Brand), Last4: optional(d.Last4)}
}

func (m *MethodView) sameMeaning(o *MethodView) bool {
	return m == o || (m != nil && o != nil && m.Type == o.Type && equal(m.Brand, o.Brand) && equal(m.Last4, o.Last4))
}

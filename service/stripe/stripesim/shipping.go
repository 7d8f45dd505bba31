package stripesim

// shippingShape is that of create, update and confirm: a name and an address are needed.
var shippingShape = shape{
	"address": aShape(shape{
		"city": aText, "country": aText, "line1": aText, "line2": aText, "postal_code": aText, "state": aText,
	}).must(),
	"carrier": aText, "name": aText.must(), "phone": aText, "tracking_number": aText,
}

// shippingOf shows every member that Stripe shows; nil for an empty parameter, which removes the address.
func shippingOf(given params) document {
	if given == nil {
		return nil
	}
	out := document{"address": billing(params{"address": given["address"]})["address"]}
	for _, name := range []string{"carrier", "name", "phone", "tracking_number"} {
		out[name] = text(given.text(name))
	}
	return out
}

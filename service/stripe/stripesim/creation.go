package stripesim

import "maps"

// createIntent handles POST /v1/payment_intents.
func (a *account) createIntent(c *call) (any, error) {
	p := c.params
	if f := checkCreation(p); f != nil {
		return nil, f
	}
	pi := a.newIntent(p)
	if f := a.apply(pi, p); f != nil {
		return nil, f
	}
	if p.boolean("confirm") {
		if f := a.checkConfirmation(pi, p); f != nil {
			return nil, f
		}
	}
	a.intents.add(pi)
	a.emit("payment_intent.created", pi)
	if p.boolean("confirm") {
		return a.attempt(pi, p)
	}
	return pi, nil
}

func checkCreation(p params) *failure {
	if p.child("automatic_payment_methods").boolean("enabled") && p.has("payment_method_types") {
		return invalid("", "payment_method_types",
			"You may only specify one of these parameters: automatic_payment_methods, payment_method_types.")
	}
	if !p.boolean("confirm") {
		if name := firstOf(p, "return_url", "off_session", "error_on_requires_action", "mandate_data"); name != "" {
			return invalid("", name, "You cannot pass `%s` without setting `confirm` to `true`.", name)
		}
	}
	return nil
}

// newIntent is an empty intent. Without a list of types its methods are automatic, as since API
// version 2023-08-16.
func (a *account) newIntent(p params) *intent {
	id := a.ids.long("pi")
	pi := &intent{
		ID: id, Object: "payment_intent", AmountDetails: document{"tip": document{}},
		CaptureMethod:      either(p.text("capture_method"), "automatic_async"),
		ClientSecret:       id + "_secret_" + a.ids.letters(25),
		ConfirmationMethod: either(p.text("confirmation_method"), "automatic"), Created: a.unix(),
		Metadata: map[string]string{}, PaymentMethodOptions: document{}, Status: requiresPaymentMethod,
	}
	auto := p.child("automatic_payment_methods")
	if !p.has("payment_method_types") && (auto == nil || auto.boolean("enabled")) {
		pi.AutomaticPaymentMethods = &automaticMethods{
			AllowRedirects: either(auto.text("allow_redirects"), "always"),
			Enabled:        true,
		}
		pi.MethodConfiguration = document{"id": "pmc_1" + a.ownID[len("acct_1"):], "parent": nil}
	} else if !p.has("payment_method_types") {
		pi.PaymentMethodTypes = []string{"card"}
	}
	return pi
}

// The shapes of create, update and confirm. Parameters that the simulator does not read are
// accepted if Stripe's schema has them, so that clients work unchanged.
var (
	intentTerms = shape{
		"amount": anInteger, "application_fee_amount": anInteger, "capture_method": captureMethod, "currency": aText,
		"customer": aText, "description": aText, "expand": aList, "metadata": aHash, "payment_method": aText,
		"payment_method_configuration": aText, "payment_method_data": aHash, "payment_method_options": aHash,
		"payment_method_types": aList, "receipt_email": aText, "setup_future_usage": futureUsage,
		"shipping": aShape(shippingShape), "statement_descriptor": aText, "statement_descriptor_suffix": aText,
		"transfer_data": aHash, "transfer_group": aText,
	}
	confirmation = shape{
		"capture_method": captureMethod, "client_secret": aText, "confirmation_token": aText,
		"error_on_requires_action": aBoolean, "expand": aList, "mandate": aText, "mandate_data": aHash,
		"off_session": anything, "payment_method": aText, "payment_method_data": aHash,
		"payment_method_options": aHash, "payment_method_types": aList, "radar_options": aHash,
		"receipt_email": aText, "return_url": aText, "setup_future_usage": futureUsage,
		"shipping": aShape(shippingShape), "use_stripe_sdk": aBoolean,
	}
	captureMethod = oneOf("automatic", "automatic_async", manual)
	futureUsage   = oneOf("", "off_session", "on_session")
	creation      = creationShape()
)

func creationShape() shape {
	all := maps.Clone(intentTerms)
	for name, rule := range confirmation {
		if name != "client_secret" {
			all[name] = rule
		}
	}
	return all.with(shape{
		"amount": anInteger.must(), "currency": aText.must(), "confirm": aBoolean,
		"confirmation_method": oneOf("automatic", manual), "on_behalf_of": aText,
		"automatic_payment_methods": aShape(
			shape{"enabled": aBoolean.must(), "allow_redirects": oneOf("always", "never")},
		),
	})
}

package stripesim

import (
	"fmt"
	"slices"
	"strings"
)

// status is a PaymentIntent's: https://docs.stripe.com/payments/paymentintents/lifecycle.
type status string

const (
	requiresPaymentMethod status = "requires_payment_method"
	requiresConfirmation  status = "requires_confirmation"
	requiresAction        status = "requires_action"
	processing            status = "processing"
	requiresCapture       status = "requires_capture"
	succeeded             status = "succeeded"
	canceled              status = "canceled"
)

const manual = "manual" // the capture method that leaves a payment authorised

// intent is a PaymentIntent. Exported fields are Stripe's, in Stripe's order; the others are
// internal.
type intent struct {
	ID                        string            `json:"id"`
	Object                    string            `json:"object"`
	Amount                    int64             `json:"amount"`
	AmountCapturable          int64             `json:"amount_capturable"`
	AmountDetails             document          `json:"amount_details"`
	AmountReceived            int64             `json:"amount_received"`
	Application               text              `json:"application"`
	ApplicationFeeAmount      number            `json:"application_fee_amount"`
	AutomaticPaymentMethods   *automaticMethods `json:"automatic_payment_methods"`
	CanceledAt                unix              `json:"canceled_at"`
	CancellationReason        text              `json:"cancellation_reason"`
	CaptureMethod             string            `json:"capture_method"`
	ClientSecret              string            `json:"client_secret"`
	ConfirmationMethod        string            `json:"confirmation_method"`
	Created                   unix              `json:"created"`
	Currency                  string            `json:"currency"`
	Customer                  text              `json:"customer"`
	Description               text              `json:"description"`
	Invoice                   text              `json:"invoice"`
	LastPaymentError          *failure          `json:"last_payment_error"`
	LatestCharge              text              `json:"latest_charge"`
	Livemode                  bool              `json:"livemode"`
	Metadata                  map[string]string `json:"metadata"`
	NextAction                document          `json:"next_action"`
	OnBehalfOf                text              `json:"on_behalf_of"`
	PaymentMethod             text              `json:"payment_method"`
	MethodConfiguration       document          `json:"payment_method_configuration_details"`
	PaymentMethodOptions      document          `json:"payment_method_options"`
	PaymentMethodTypes        []string          `json:"payment_method_types"`
	Processing                document          `json:"processing"`
	ReceiptEmail              text              `json:"receipt_email"`
	Review                    text              `json:"review"`
	SetupFutureUsage          text              `json:"setup_future_usage"`
	Shipping                  document          `json:"shipping"`
	Source                    text              `json:"source"`
	StatementDescriptor       text              `json:"statement_descriptor"`
	StatementDescriptorSuffix text              `json:"statement_descriptor_suffix"`
	Status                    status            `json:"status"`
	TransferData              document          `json:"transfer_data"`
	TransferGroup             text              `json:"transfer_group"`

	returnURL string
	page      string // token of the bank page it waits for, while requires_action
	stripeJS  bool   // confirmed by Stripe.js, which can show a challenge itself
	inPage    bool   // the bank page is shown inside the shop's page
	elsewhere bool   // the customer acts outside the page, while requires_action
	turn      int    // incremented when an attempt begins or ends, so that a timer of an earlier attempt does nothing
}

type automaticMethods struct {
	AllowRedirects string `json:"allow_redirects"`
	Enabled        bool   `json:"enabled"`
}

func (pi *intent) id() string { return pi.ID }

// in reports whether the status is one of these.
func (pi *intent) in(states ...status) bool { return slices.Contains(states, pi.Status) }

// failed reports whether the last attempt at the payment failed.
func (pi *intent) failed() bool { return pi.LastPaymentError != nil }

// hidden are the members that a publishable key may not see.
var hidden = []string{
	"amount_capturable", "amount_received", "application", "application_fee_amount", "customer", "invoice",
	"latest_charge", "metadata", "on_behalf_of",
	"payment_method_options", "review", "statement_descriptor", "statement_descriptor_suffix", "transfer_data",
	"transfer_group",
}

// publicView is the intent as Stripe.js receives it.
func (pi *intent) publicView() any {
	tree, err := plain(pi)
	if err != nil {
		return nil
	}
	view, _ := tree.(map[string]any)
	for _, name := range hidden {
		delete(view, name)
	}
	return view
}

// apply sets the parameters that create, update and confirm share. A refusal leaves the intent partly
// changed, so the caller passes a copy.
func (a *account) apply(pi *intent, p params) *failure {
	for _, set := range []func(*intent, params) *failure{
		a.applyMoney, a.applyCustomer, applyTexts, a.applyMethod,
		applyOptions,
	} {
		if f := set(pi, p); f != nil {
			return f
		}
	}
	return nil
}

func (a *account) applyMoney(pi *intent, p params) *failure {
	if p.has("currency") {
		pi.Currency = strings.ToLower(p.text("currency"))
		if auto := pi.AutomaticPaymentMethods; auto != nil {
			pi.PaymentMethodTypes = automaticTypes(pi.Currency, auto.AllowRedirects)
		}
	}
	if p.has("amount") {
		pi.Amount = p.integer("amount")
	}
	if !p.has("currency") && !p.has("amount") {
		return nil
	}
	return checkMoney(pi.Amount, pi.Currency)
}

func (a *account) applyCustomer(pi *intent, p params) *failure {
	id := p.text("customer")
	if id == "" {
		return nil
	}
	if _, ok := a.customers.find(id); !ok {
		return missing("customer", id, "customer")
	}
	if pi.Customer != "" && pi.Customer != text(id) {
		return invalid("", "customer", textOtherCustomer)
	}
	pi.Customer = text(id)
	return nil
}

// suffixLength is the limit of https://docs.stripe.com/get-started/account/statement-descriptors.
const suffixLength = 22

func applyTexts(pi *intent, p params) *failure {
	for name, field := range map[string]*text{
		"description": &pi.Description, "receipt_email": &pi.ReceiptEmail, "setup_future_usage": &pi.SetupFutureUsage,
		"transfer_group":       &pi.TransferGroup,
		"statement_descriptor": &pi.StatementDescriptor, "statement_descriptor_suffix": &pi.StatementDescriptorSuffix,
	} {
		if p.has(name) {
			*field = text(p.text(name))
		}
	}
	if suffix := string(pi.StatementDescriptorSuffix); len(suffix) > suffixLength ||
		strings.ContainsAny(suffix, `<>\'"*`) {
		return invalid("", "statement_descriptor_suffix",
			"The statement descriptor suffix must have at most %d characters, and none of <>\\'\"*.", suffixLength)
	}
	if email := pi.ReceiptEmail; email != "" && !strings.Contains(string(email), "@") {
		return invalid("email_invalid", "receipt_email", "Invalid email address: %s", email)
	}
	metadata, f := p.mergeMetadata(pi.Metadata)
	pi.Metadata = metadata
	return f
}

func applyOptions(pi *intent, p params) *failure {
	if p.has("capture_method") {
		pi.CaptureMethod = p.text("capture_method")
	}
	if p.has("shipping") {
		pi.Shipping = shippingOf(p.child("shipping"))
	}
	if id := p.text("payment_method_configuration"); id != "" {
		if !strings.HasPrefix(id, "pmc_") {
			return missing("payment_method_configuration", id, "payment_method_configuration")
		}
		pi.MethodConfiguration = document{"id": id, "parent": nil}
	}
	if p.has("payment_method_options") {
		pi.PaymentMethodOptions = methodOptions(p.child("payment_method_options"))
	}
	if p.has("return_url") {
		pi.returnURL = p.text("return_url")
	}
	pi.stripeJS = p.boolean("use_stripe_sdk")
	return nil
}

// applyMethod resolves payment_method and payment_method_data. Each of them returns the intent to its status
// before confirmation.
func (a *account) applyMethod(pi *intent, p params) *failure {
	for _, kind := range p.list("payment_method_types") {
		if family, known := families[kind]; !known || family.ended {
			return invalid("", "payment_method_types", "The payment method type \"%s\" is invalid.", kind)
		}
		pi.PaymentMethodTypes = p.list("payment_method_types")
	}
	m, f := a.methodFrom(p)
	if f != nil || m == nil {
		return f
	}
	if m.Customer != "" && m.Customer != pi.Customer {
		return invalid("", "payment_method", textForeignMethod, m.ID)
	}
	if !slices.Contains(pi.PaymentMethodTypes, m.Type) {
		return invalid("payment_intent_incompatible_payment_method", "payment_method", textWrongType, m.Type,
			strings.Join(pi.PaymentMethodTypes, ", "), m.Type)
	}
	pi.PaymentMethod = text(m.ID)
	pi.Status, pi.NextAction, pi.page, pi.elsewhere = requiresConfirmation, nil, "", false
	pi.turn++
	return nil
}

// retrieveIntent handles GET /v1/payment_intents/{intent}; a publishable key needs the client
// secret.
func (a *account) retrieveIntent(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	return pi, nil
}

// intentOf finds the intent of the path, if the caller may access it.
func (a *account) intentOf(c *call) (*intent, *failure) {
	pi, ok := a.intents.find(c.PathValue("intent"))
	if !ok {
		return nil, missing("payment_intent", c.PathValue("intent"), "intent").withStatus(404)
	}
	secret := c.params.text("client_secret")
	if c.publishable && secret == "" {
		return nil, invalid("parameter_missing", "client_secret", "Missing required param: client_secret.")
	}
	if (c.publishable || secret != "") && secret != pi.ClientSecret {
		return nil, invalid("resource_missing", "client_secret", textWrongSecret, pi.ID)
	}
	return pi, nil
}

// listIntents handles GET /v1/payment_intents.
func (a *account) listIntents(c *call) (any, error) {
	return pageOf(c, a.intents.newestFirst(func(pi *intent) bool {
		return c.params.matches("customer", string(pi.Customer)) && c.params.within(pi.Created)
	}))
}

// updateIntent handles POST /v1/payment_intents/{intent}. It clears last_payment_error and makes no
// event.
func (a *account) updateIntent(c *call) (any, error) {
	pi, f := a.intentOf(c)
	if f != nil {
		return nil, f
	}
	if !pi.in(requiresPaymentMethod, requiresConfirmation, requiresAction) {
		if name := firstOf(c.params, "amount", "currency", "customer", "payment_method", "payment_method_data",
			"capture_method", "setup_future_usage"); name != "" {
			return nil, unexpectedState(pi, textNotUpdatable, name, pi.Status, name)
		}
	}
	changed := *pi
	if f := a.apply(&changed, c.params); f != nil {
		return nil, f
	}
	changed.LastPaymentError = nil
	*pi = changed
	return pi, nil
}

// firstOf returns the first of the names that is given; empty if none is.
func firstOf(p params, names ...string) string {
	for _, name := range names {
		if p.has(name) {
			return name
		}
	}
	return ""
}

func (pi *intent) String() string { return fmt.Sprintf("%s (%s)", pi.ID, pi.Status) }

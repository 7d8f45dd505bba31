package stripesim

import (
	"slices"
	"time"
)

// sessionLife is how long the client secret of a CustomerSession can be redeemed:
// https://docs.stripe.com/payments/accept-a-payment-deferred?platform=web&type=payment#enable-saved-payment-methods.
const sessionLife = 30 * time.Minute

// session is a CustomerSession: a page may show and change a customer's saved payment methods with
// it.
type session struct {
	Object       string   `json:"object"`
	ClientSecret string   `json:"client_secret"`
	Components   document `json:"components"`
	Created      unix     `json:"created"`
	Customer     string   `json:"customer"`
	ExpiresAt    unix     `json:"expires_at"`
	Livemode     bool     `json:"livemode"`

	features *features
	redeemed bool
}

// features are those of the Payment Element: https://docs.stripe.com/api/customer_sessions/object.
type features struct {
	Filters   []string `json:"payment_method_allow_redisplay_filters"`
	Redisplay string   `json:"payment_method_redisplay"`
	Limit     *int64   `json:"payment_method_redisplay_limit"`
	Remove    string   `json:"payment_method_remove"`
	Save      string   `json:"payment_method_save"`
	SaveUsage text     `json:"payment_method_save_usage"`

	saveAs text // payment_method_save_allow_redisplay_override, of the mobile component only
}

var (
	onOff        = oneOf("disabled", "enabled")
	enabledOnly  = shape{"enabled": aBoolean.must()}
	featureShape = shape{
		"payment_method_allow_redisplay_filters": listOf("always", "limited", "unspecified"),
		"payment_method_redisplay":               onOff,
		"payment_method_redisplay_limit":         anInteger, "payment_method_remove": onOff,
		"payment_method_save":       onOff,
		"payment_method_save_usage": oneOf("off_session", "on_session"),
	}
	mobileShape = shape{
		"payment_method_allow_redisplay_filters": listOf("always", "limited", "unspecified"),
		"payment_method_redisplay":               onOff,
		"payment_method_remove":                  onOff, "payment_method_save": onOff,
		"payment_method_save_allow_redisplay_override": oneOf("always", "limited", "unspecified"),
	}
	sessionCreation = shape{
		"customer": aText.must(), "expand": aList,
		"components": aShape(shape{
			"buy_button": aShape(enabledOnly), "pricing_table": aShape(enabledOnly),
			"payment_element":        aShape(enabledOnly.with(shape{"features": aShape(featureShape)})),
			"mobile_payment_element": aShape(enabledOnly.with(shape{"features": aShape(mobileShape)})),
		}).must(),
	}
)

// mobileSince is the first API version with the component of native apps.
const mobileSince = "2025-10-29"

const redisplayMax = 10 // Stripe's own ceiling, and 3 its default

// createSession handles POST /v1/customer_sessions.
func (a *account) createSession(c *call) (any, error) {
	components := c.params.child("components")
	if !anyEnabled(components) {
		return nil, invalid("", "components", "You must enable at least one component.")
	}
	owner := c.params.text("customer")
	if _, ok := a.customers.find(owner); !ok {
		return nil, missing("customer", owner, "customer")
	}
	if components.has("mobile_payment_element") && c.Header.Get("Stripe-Version") < mobileSince {
		return nil, invalid("parameter_unknown", "components[mobile_payment_element]",
			"Received unknown parameter: components[mobile_payment_element]")
	}
	chosen, f := chooseFeatures(components.child("payment_element"))
	if f != nil {
		return nil, f
	}
	mobile := components.child("mobile_payment_element")
	s := &session{
		Object: "customer_session", ClientSecret: "cuss_secret_" + a.ids.letters(
			47,
		), Created: a.unix(), Customer: owner,
		features:  chosen,
		ExpiresAt: unix(a.now().Add(sessionLife).Unix()),
		Components: document{
			"buy_button": document{"enabled": components.child("buy_button").boolean("enabled")},
			"payment_element": document{
				"enabled": components.child("payment_element").boolean("enabled"), "features": chosen,
			},
			"pricing_table": document{"enabled": components.child("pricing_table").boolean("enabled")},
		},
	}
	if mobile.boolean("enabled") {
		s.features = mobileFeatures(mobile.child("features"))
		s.Components["mobile_payment_element"] = document{"enabled": true, "features": document{
			"payment_method_allow_redisplay_filters": s.features.Filters,
			"payment_method_redisplay":               s.features.Redisplay,
			"payment_method_remove":                  s.features.Remove, "payment_method_save": s.features.Save,
			"payment_method_save_allow_redisplay_override": s.features.saveAs,
		}}
	}
	a.sessions[s.ClientSecret] = s
	return s, nil
}

func anyEnabled(components params) bool {
	for name := range components {
		if components.child(name).boolean("enabled") {
			return true
		}
	}
	return false
}

// mobileFeatures fills in Stripe's defaults. A native app shows all saved methods that it may.
func mobileFeatures(given params) *features {
	all := int64(redisplayMax)
	out := &features{
		Filters:   given.list("payment_method_allow_redisplay_filters"),
		Redisplay: either(given.text("payment_method_redisplay"), "disabled"),
		Remove:    either(given.text("payment_method_remove"), "disabled"),
		Save:      either(given.text("payment_method_save"), "disabled"),
		saveAs:    text(given.text("payment_method_save_allow_redisplay_override")),
	}
	if out.Filters == nil {
		out.Filters = []string{"always"}
	}
	if out.Redisplay == "enabled" {
		out.Limit = &all
	}
	return out
}

// chooseFeatures fills in Stripe's defaults; nil if the Payment Element is disabled.
func chooseFeatures(element params) (*features, *failure) {
	if !element.boolean("enabled") {
		return nil, nil //nolint:nilnil // null is what Stripe shows then
	}
	given := element.child("features")
	const name = "components[payment_element][features]"
	out := &features{
		Filters:   given.list("payment_method_allow_redisplay_filters"),
		Redisplay: either(given.text("payment_method_redisplay"), "disabled"),
		Remove:    either(given.text("payment_method_remove"), "disabled"),
		Save:      either(given.text("payment_method_save"), "disabled"),
		SaveUsage: text(given.text("payment_method_save_usage")),
	}
	if out.Filters == nil {
		out.Filters = []string{"always"}
	}
	if out.Save == "enabled" && out.SaveUsage == "" {
		return nil, invalid("parameter_missing", name+"[payment_method_save_usage]",
			"You must provide `payment_method_save_usage` when `payment_method_save` is enabled.")
	}
	limit := int64(3)
	if given.has("payment_method_redisplay_limit") {
		limit = given.integer("payment_method_redisplay_limit")
	}
	if limit < 1 || limit > redisplayMax {
		return nil, invalid("parameter_invalid_integer", name+"[payment_method_redisplay_limit]",
			"This value must be between 1 and %d.", redisplayMax)
	}
	if out.Redisplay == "enabled" {
		out.Limit = &limit
	}
	return out, nil
}

// redeemSession handles POST /v1/elements/sessions. It stands for the call of Stripe.js with a
// client secret, and is not part of Stripe's public API. A secret works once, so that a service
// that returns an old one fails its test.
func (a *account) redeemSession(c *call) (any, error) {
	s, ok := a.sessions[c.params.text("customer_session_client_secret")]
	switch {
	case !ok:
		return nil, invalid("resource_missing", "customer_session_client_secret", "No such customer session.")
	case s.redeemed:
		return nil, invalid("", "customer_session_client_secret", "This customer session has already been used.")
	case a.unix() >= s.ExpiresAt:
		return nil, invalid("", "customer_session_client_secret", "This customer session has expired.")
	}
	s.redeemed = true
	return document{
		"object": "elements_session", "customer": s.Customer, "components": s.Components,
		"payment_methods": a.redisplayed(s),
	}, nil
}

// redisplayed are the saved methods that the session lets a page show, the last one first.
func (a *account) redisplayed(s *session) []*method {
	out := []*method{}
	if s.features == nil || s.features.Limit == nil {
		return out
	}
	saved := a.methods.newestFirst(func(m *method) bool {
		return m.Customer == text(s.Customer) && families[m.Type].shown &&
			slices.Contains(s.features.Filters, m.AllowRedisplay)
	})
	return append(out, saved[:min(len(saved), int(*s.features.Limit))]...)
}

// removeMethod handles POST /v1/elements/payment_methods/{method}/detach. It stands for the call of
// Stripe.js when a customer removes a saved method. The session must have been redeemed by a page,
// and allow it.
func (a *account) removeMethod(c *call) (any, error) {
	s, ok := a.sessions[c.params.text("customer_session_client_secret")]
	if !ok || !s.redeemed || a.unix() >= s.ExpiresAt || s.features == nil || s.features.Remove != "enabled" {
		return nil, invalid("", "customer_session_client_secret",
			"This customer session does not allow removing payment methods.")
	}
	m, ok := a.methods.find(c.PathValue("method"))
	if !ok || m.Customer != text(s.Customer) {
		return nil, missing("PaymentMethod", c.PathValue("method"), "payment_method").withStatus(404)
	}
	return a.detachMethod(c)
}

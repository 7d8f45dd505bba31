package stripesim

import (
	"encoding/json"
	"strings"
)

// method is a PaymentMethod. details is the member that is named after its type.
type method struct {
	ID             string
	AllowRedisplay string
	Billing        document
	Created        unix
	Customer       text
	Metadata       map[string]string
	Type           string
	details        document
	act            behaviour
}

func (m *method) id() string { return m.ID }

// MarshalJSON writes Stripe's object, with the member that is named after the type.
func (m *method) MarshalJSON() ([]byte, error) {
	return json.Marshal(document{
		"id": m.ID, "object": "payment_method", "allow_redisplay": m.AllowRedisplay, "billing_details": m.Billing,
		"created": m.Created, "customer": m.Customer,
		"livemode": false, "metadata": m.Metadata, "type": m.Type, m.Type: m.details,
	})
}

// billing adds the members that Stripe always shows to the given ones.
func billing(given params) document {
	out := document{"email": nil, "name": nil, "phone": nil}
	address := document{"city": nil, "country": nil, "line1": nil, "line2": nil, "postal_code": nil, "state": nil}
	for name := range out {
		if given.has(name) {
			out[name] = given.text(name)
		}
	}
	for name := range address {
		if given.child("address").has(name) {
			address[name] = given.child("address").text(name)
		}
	}
	out["address"] = address
	return out
}

// newMethod makes a method from the parameters of payment_method_data.
func (a *account) newMethod(p params) (*method, *failure) {
	kind := p.text("type")
	if _, known := families[kind]; !known {
		return nil, invalid("", "type", "Invalid payment method type: %s", kind)
	}
	details, act, f := describe(kind, p.child(kind))
	if f != nil {
		return nil, f
	}
	metadata, f := p.mergeMetadata(nil)
	if f != nil {
		return nil, f
	}
	m := &method{
		ID: "pm_1" + a.ids.letters(23), AllowRedisplay: either(p.text("allow_redisplay"), "unspecified"),
		Billing: billing(p.child("billing_details")),
		Created: a.unix(), Metadata: metadata, Type: kind, details: details, act: act,
	}
	a.methods.add(m)
	return m, nil
}

// methodBy finds a method by its id. The name of a test method makes a new method at each use, as at Stripe.
func (a *account) methodBy(id string) (*method, *failure) {
	if m, ok := a.methods.find(id); ok {
		return m, nil
	}
	known, ok := testMethods[id]
	if !ok {
		return nil, missing("PaymentMethod", id, "payment_method")
	}
	m := &method{
		ID: "pm_1" + a.ids.letters(23), AllowRedisplay: "unspecified", Billing: billing(nil), Created: a.unix(),
		Metadata: map[string]string{},
		Type:     known.kind, details: known.details(), act: known.act,
	}
	a.methods.add(m)
	return m, nil
}

// methodFrom returns the method that a request to a PaymentIntent names or describes; nil if it does neither.
func (a *account) methodFrom(p params) (*method, *failure) {
	if data := p.child("payment_method_data"); data != nil {
		return a.newMethod(data)
	}
	if id := p.text("payment_method"); id != "" {
		return a.methodBy(id)
	}
	return nil, nil //nolint:nilnil // absent is a legal third answer here, and every caller asks for it
}

// createMethod handles POST /v1/payment_methods.
func (a *account) createMethod(c *call) (any, error) {
	m, f := a.newMethod(c.params)
	if f != nil {
		return nil, f
	}
	return m, nil
}

func (a *account) methodOf(c *call) (*method, *failure) {
	m, f := a.methodBy(c.PathValue("method"))
	if f != nil {
		return nil, f.withStatus(404)
	}
	return m, nil
}

// retrieveMethod handles GET /v1/payment_methods/{method}.
func (a *account) retrieveMethod(c *call) (any, error) {
	m, f := a.methodOf(c)
	if f != nil {
		return nil, f
	}
	return m, nil
}

// attachMethod handles POST /v1/payment_methods/{method}/attach.
func (a *account) attachMethod(c *call) (any, error) {
	owner, ok := a.customers.find(c.params.text("customer"))
	if !ok {
		return nil, missing("customer", c.params.text("customer"), "customer")
	}
	m, f := a.methodOf(c)
	if f == nil {
		f = a.attach(m, owner.ID)
	}
	if f != nil {
		return nil, f
	}
	return m, nil
}

func (a *account) attach(m *method, owner string) *failure {
	switch {
	case m.Customer == text(owner):
		return nil
	case m.Customer != "":
		return invalid("", "", "The payment method you provided has already been attached to a customer.")
	case families[m.Type].redirects:
		return invalid("", "", "Payment methods of type %s cannot be saved to customers.", m.Type)
	case m.act.decline != nil && !m.act.attaches:
		return cardError(m, m.act.decline)
	}
	m.Customer = text(owner)
	a.emit("payment_method.attached", m)
	return nil
}

// detachMethod handles POST /v1/payment_methods/{method}/detach.
func (a *account) detachMethod(c *call) (any, error) {
	m, f := a.methodOf(c)
	if f != nil {
		return nil, f
	}
	if m.Customer == "" {
		return nil, invalid("", "",
			"The payment method you provided is not attached to a customer so detachment is impossible.")
	}
	m.Customer = ""
	a.emit("payment_method.detached", m)
	return m, nil
}

// listMethods handles GET /v1/payment_methods and GET /v1/customers/{customer}/payment_methods.
func (a *account) listMethods(c *call) (any, error) {
	owner := either(c.PathValue("customer"), c.params.text("customer"))
	if _, ok := a.customers.find(owner); !ok && owner != "" {
		return nil, missing("customer", owner, "customer")
	}
	return pageOf(c, a.methods.newestFirst(func(m *method) bool {
		return owner != "" && m.Customer == text(owner) && c.params.matches("type", m.Type) &&
			c.params.matches("allow_redisplay", m.AllowRedisplay)
	}))
}

var methodCreation = methodShape()

func methodShape() shape {
	s := shape{
		"type": aText.must(), "allow_redisplay": oneOf("always", "limited", "unspecified"), "billing_details": aHash,
		"metadata": aHash, "radar_options": aHash,
		"expand": aList,
	}
	for kind := range families {
		s[kind] = aHash
	}
	return s
}

// digits removes the blanks from a card number or IBAN.
func digits(s string) string { return strings.ReplaceAll(s, " ", "") }

package stripesim

import "strings"

// customer is a Customer, without sources, subscriptions and tax.
type customer struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Address          document          `json:"address"`
	Balance          int64             `json:"balance"`
	Created          unix              `json:"created"`
	Currency         text              `json:"currency"`
	DefaultSource    text              `json:"default_source"`
	Delinquent       bool              `json:"delinquent"`
	Description      text              `json:"description"`
	Discount         document          `json:"discount"`
	Email            text              `json:"email"`
	InvoicePrefix    text              `json:"invoice_prefix"`
	InvoiceSettings  document          `json:"invoice_settings"`
	Livemode         bool              `json:"livemode"`
	Metadata         map[string]string `json:"metadata"`
	Name             text              `json:"name"`
	Phone            text              `json:"phone"`
	PreferredLocales []string          `json:"preferred_locales"`
	Shipping         document          `json:"shipping"`
	TaxExempt        string            `json:"tax_exempt"`
	TestClock        text              `json:"test_clock"`

	cash int64 // money of bank transfers that no payment has used yet
}

func (cu *customer) id() string { return cu.ID }

var customerFields = shape{
	"address": aHash, "balance": anInteger, "description": aText, "email": aText, "expand": aList,
	"invoice_prefix":   aText,
	"invoice_settings": aHash,
	"metadata":         aHash, "name": aText, "payment_method": aText, "phone": aText, "preferred_locales": aList,
	"shipping": aHash, "source": aText,
	"tax": aHash, "tax_exempt": oneOf("", "exempt", "none", "reverse"), "test_clock": aText,
}

// createCustomer handles POST /v1/customers.
func (a *account) createCustomer(c *call) (any, error) {
	cu := &customer{
		ID: a.ids.short("cus"), Object: "customer", Created: a.unix(), InvoicePrefix: text(
			strings.ToUpper(a.ids.letters(8)),
		),
		Metadata: map[string]string{},
		InvoiceSettings: document{
			"custom_fields": nil, "default_payment_method": nil, "footer": nil,
			"rendering_options": nil,
		},
		PreferredLocales: []string{}, TaxExempt: "none",
	}
	if f := cu.apply(c.params); f != nil {
		return nil, f
	}
	if id := c.params.text("payment_method"); id != "" {
		m, f := a.methodBy(id)
		if f == nil {
			f = a.attach(m, cu.ID)
		}
		if f != nil {
			return nil, f
		}
	}
	a.customers.add(cu)
	a.emit("customer.created", cu)
	return cu, nil
}

func (cu *customer) apply(p params) *failure {
	for name, field := range map[string]*text{
		"description": &cu.Description, "email": &cu.Email, "name": &cu.Name,
		"phone": &cu.Phone,
	} {
		if p.has(name) {
			*field = text(p.text(name))
		}
	}
	for name, field := range map[string]*document{"address": &cu.Address, "shipping": &cu.Shipping} {
		if p.child(name) != nil {
			*field = p.child(name).document()
		}
	}
	if cu.Address != nil {
		cu.Address, _ = billing(params{"address": p["address"]})["address"].(document)
	}
	metadata, f := p.mergeMetadata(cu.Metadata)
	if f == nil {
		cu.Metadata = metadata
	}
	return f
}

func (a *account) customerOf(c *call) (*customer, *failure) {
	cu, ok := a.customers.find(c.PathValue("customer"))
	if !ok {
		return nil, missing("customer", c.PathValue("customer"), "id").withStatus(404)
	}
	return cu, nil
}

// retrieveCustomer handles GET /v1/customers/{customer}.
func (a *account) retrieveCustomer(c *call) (any, error) {
	cu, f := a.customerOf(c)
	if f != nil {
		return nil, f
	}
	return cu, nil
}

// updateCustomer handles POST /v1/customers/{customer}.
func (a *account) updateCustomer(c *call) (any, error) {
	cu, f := a.customerOf(c)
	if f != nil {
		return nil, f
	}
	if f := cu.apply(c.params); f != nil {
		return nil, f
	}
	a.emit("customer.updated", cu)
	return cu, nil
}

// deleteCustomer handles DELETE /v1/customers/{customer}. The simulator removes the customer; Stripe keeps a
// stub.
func (a *account) deleteCustomer(c *call) (any, error) {
	cu, f := a.customerOf(c)
	if f != nil {
		return nil, f
	}
	a.customers.remove(cu)
	a.emit("customer.deleted", cu)
	return deletedCustomer(cu.ID), nil
}

// deletedCustomer is the response for a deleted customer.
func deletedCustomer(id string) document {
	return document{"id": id, "object": "customer", "deleted": true}
}

// listCustomers handles GET /v1/customers.
func (a *account) listCustomers(c *call) (any, error) {
	return pageOf(c, a.customers.newestFirst(func(cu *customer) bool {
		return c.params.matches("email", string(cu.Email)) && c.params.within(cu.Created)
	}))
}

package stripesim

// charge is one attempt at a payment. Exported fields are Stripe's.
type charge struct {
	ID                            string            `json:"id"`
	Object                        string            `json:"object"`
	Amount                        int64             `json:"amount"`
	AmountCaptured                int64             `json:"amount_captured"`
	AmountRefunded                int64             `json:"amount_refunded"`
	Application                   text              `json:"application"`
	ApplicationFee                text              `json:"application_fee"`
	ApplicationFeeAmount          number            `json:"application_fee_amount"`
	BalanceTransaction            text              `json:"balance_transaction"`
	BillingDetails                document          `json:"billing_details"`
	CalculatedStatementDescriptor text              `json:"calculated_statement_descriptor"`
	Captured                      bool              `json:"captured"`
	Created                       unix              `json:"created"`
	Currency                      string            `json:"currency"`
	Customer                      text              `json:"customer"`
	Description                   text              `json:"description"`
	Destination                   text              `json:"destination"`
	Dispute                       text              `json:"dispute"`
	Disputed                      bool              `json:"disputed"`
	FailureBalanceTransaction     text              `json:"failure_balance_transaction"`
	FailureCode                   text              `json:"failure_code"`
	FailureMessage                text              `json:"failure_message"`
	FraudDetails                  document          `json:"fraud_details"`
	Invoice                       text              `json:"invoice"`
	Livemode                      bool              `json:"livemode"`
	Metadata                      map[string]string `json:"metadata"`
	OnBehalfOf                    text              `json:"on_behalf_of"`
	Order                         text              `json:"order"`
	Outcome                       document          `json:"outcome"`
	Paid                          bool              `json:"paid"`
	PaymentIntent                 text              `json:"payment_intent"`
	PaymentMethod                 text              `json:"payment_method"`
	PaymentMethodDetails          document          `json:"payment_method_details"`
	RadarOptions                  document          `json:"radar_options"`
	ReceiptEmail                  text              `json:"receipt_email"`
	ReceiptNumber                 text              `json:"receipt_number"`
	ReceiptURL                    text              `json:"receipt_url"`
	Refunded                      bool              `json:"refunded"`
	Review                        text              `json:"review"`
	Shipping                      document          `json:"shipping"`
	Source                        text              `json:"source"`
	SourceTransfer                text              `json:"source_transfer"`
	StatementDescriptor           text              `json:"statement_descriptor"`
	StatementDescriptorSuffix     text              `json:"statement_descriptor_suffix"`
	Status                        string            `json:"status"`
	TransferData                  document          `json:"transfer_data"`
	TransferGroup                 text              `json:"transfer_group"`
}

func (ch *charge) id() string { return ch.ID }

// newCharge opens a charge for an intent, in the given status. The caller finishes it and emits its
// event.
func (a *account) newCharge(pi *intent, m *method, state string) *charge {
	prefix := "py"
	if m.Type == "card" {
		prefix = "ch"
	}
	ch := &charge{
		ID: a.ids.long(prefix), Object: "charge", Amount: pi.Amount, BillingDetails: m.Billing,
		CalculatedStatementDescriptor: "KASSE TEST SHOP",
		Created:                       a.unix(), Currency: pi.Currency, Customer: pi.Customer,
		Description:  pi.Description,
		FraudDetails: document{}, Metadata: pi.Metadata,
		PaymentIntent: text(pi.ID), PaymentMethod: text(m.ID), RadarOptions: document{}, ReceiptEmail: pi.ReceiptEmail,
		Shipping:                  pi.Shipping,
		StatementDescriptorSuffix: pi.StatementDescriptorSuffix, Status: state, TransferGroup: pi.TransferGroup,
	}
	ch.PaymentMethodDetails = chargeDetails(m, ch)
	a.charges.add(ch)
	pi.LatestCharge = text(ch.ID)
	return ch
}

func (ch *charge) approve(m *method, captured bool) {
	ch.Status, ch.Paid, ch.Captured = "succeeded", true, captured
	if captured {
		ch.AmountCaptured = ch.Amount
	}
	ch.Outcome = document{
		"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "risk_score": 20,
		"seller_message": "Payment complete.", "type": "authorized",
	}
	ch.ReceiptURL = text("https://pay.stripe.com/receipts/payment/" + ch.ID)
	ch.PaymentMethodDetails = chargeDetails(m, ch)
}

func (ch *charge) reject(d *decline) {
	ch.Status, ch.FailureCode, ch.FailureMessage = "failed", text(d.code), text(d.message)
	ch.Outcome = document{
		"network_status": "declined_by_network", "reason": either(
			d.reason, d.code,
		), "risk_level": "normal", "risk_score": 20,
		"seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
	}
}

// retrieveCharge handles GET /v1/charges/{charge}.
func (a *account) retrieveCharge(c *call) (any, error) {
	ch, ok := a.charges.find(c.PathValue("charge"))
	if !ok {
		return nil, missing("charge", c.PathValue("charge"), "id").withStatus(404)
	}
	return ch, nil
}

// updateCharge handles POST /v1/charges/{charge}.
func (a *account) updateCharge(c *call) (any, error) {
	ch, ok := a.charges.find(c.PathValue("charge"))
	if !ok {
		return nil, missing("charge", c.PathValue("charge"), "id").withStatus(404)
	}
	metadata, f := c.params.mergeMetadata(ch.Metadata)
	if f != nil {
		return nil, f
	}
	ch.Metadata = metadata
	for name, field := range map[string]*text{
		"customer": &ch.Customer, "description": &ch.Description, "receipt_email": &ch.ReceiptEmail,
		"transfer_group": &ch.TransferGroup,
	} {
		if c.params.has(name) {
			*field = text(c.params.text(name))
		}
	}
	if c.params.has("shipping") {
		ch.Shipping = shippingOf(c.params.child("shipping"))
	}
	a.emit("charge.updated", ch)
	return ch, nil
}

// listCharges handles GET /v1/charges.
func (a *account) listCharges(c *call) (any, error) {
	return pageOf(c, a.charges.newestFirst(func(ch *charge) bool {
		return c.params.matches("payment_intent", string(ch.PaymentIntent)) &&
			c.params.matches("customer", string(ch.Customer)) &&
			c.params.matches("transfer_group", string(ch.TransferGroup)) && c.params.within(ch.Created)
	}))
}

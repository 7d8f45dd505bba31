package stripesim

// transferTypes are the bank transfers of a currency:
// https://docs.stripe.com/payments/bank-transfers.
var transferTypes = map[string]string{
	"eur": "eu_bank_transfer", "gbp": "gb_bank_transfer", "jpy": "jp_bank_transfer", "mxn": "mx_bank_transfer",
	"usd": "us_bank_transfer",
}

const transferAction = "display_bank_transfer_instructions"

// awaitTransfer waits for the customer to send money to a virtual account. It does not expire.
func (a *account) awaitTransfer(pi *intent) {
	a.waitElsewhere(pi, transferAction, document{
		"amount_remaining": pi.Amount, "currency": pi.Currency, "financial_addresses": []document{},
		"hosted_instructions_url": nil, "reference": pi.ID[len(pi.ID)-8:],
		"type": either(transferTypes[pi.Currency], "jp_bank_transfer"),
	})
}

// fundCash handles POST /v1/test_helpers/customers/{customer}/fund_cash_balance: the customer's
// money arrives and goes to the payment that waits for it.
func (a *account) fundCash(c *call) (any, error) {
	cu, f := a.customerOf(c)
	if f != nil {
		return nil, f
	}
	amount := c.params.integer("amount")
	cu.cash += amount
	for _, pi := range a.intents.rows {
		if pi.Customer == text(cu.ID) && pi.in(requiresAction) && pi.NextAction["type"] == transferAction {
			a.fund(cu, pi)
		}
	}
	return document{
		"id": "ccsbtxn_1" + a.ids.letters(23), "object": "customer_cash_balance_transaction", "created": a.unix(),
		"currency": c.params.text("currency"), "customer": cu.ID, "ending_balance": cu.cash, "livemode": false,
		"net_amount": amount, "type": "funded",
	}, nil
}

func (a *account) fund(cu *customer, pi *intent) {
	instructions, _ := pi.NextAction[transferAction].(document)
	due, _ := instructions["amount_remaining"].(int64)
	if cu.cash < due {
		instructions["amount_remaining"] = due - cu.cash
		cu.cash = 0
		a.emit("payment_intent.partially_funded", pi)
		return
	}
	cu.cash -= due
	_ = a.proceed(pi, a.methodInUse(pi))
}

package payment

import "time"

// Action is what the customer has to do next. Unlike Stripe's next_action it names the step only.
type Action struct {
	Type      string `json:"type,omitempty"`    // Stripe's
	ExpiresAt int64  `json:"expires,omitempty"` // Unix seconds; zero: Stripe names no end
}

// actionsElsewhere are the actions that the customer takes outside of the page, within days: to pay at a shop, to send
// money, to read a bank statement.
//
// Source: https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action
var actionsElsewhere = map[string]bool{
	"oxxo_display_details": true, "boleto_display_details": true, "konbini_display_details": true,
	"multibanco_display_details": true, "display_bank_transfer_instructions": true, "verify_with_microdeposits": true,
}

// ActionView is the customer's next step as callers see it.
type ActionView struct {
	Type      string     `json:"type"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// action is the customer's next step in the snapshot; nil if there is none.
func (s Snapshot) action() *ActionView {
	if s.Status != RequiresAction || s.Action.Type == "" {
		return nil
	}
	return &ActionView{Type: s.Action.Type, ExpiresAt: moment(s.Action.ExpiresAt)}
}

func (a *ActionView) sameMeaning(b *ActionView) bool {
	return a == b || (a != nil && b != nil && a.Type == b.Type && equal(a.ExpiresAt, b.ExpiresAt))
}

// guidanceOf returns what a page should do in a state; false if the state is final.
func guidanceOf(state State, action *ActionView) (guidance, bool) {
	if state == ActionRequired && action != nil && actionsElsewhere[action.Type] {
		return guide[InProgress], true
	}
	advice, running := guide[state]
	return advice, running
}

// abandonAt returns when a payment that has not changed since a moment, in Unix seconds, may be abandoned: never
// while the customer may still act elsewhere.
func (o *Order) abandonAt(p *Payment, unchangedSince int64) time.Time {
	at := time.Unix(unchangedSince, 0).Add(o.Rules.AbandonAfter)
	if p == nil || p.Record.Empty() {
		return at
	}
	if shown := p.Record.Resolve(); shown.action() != nil && shown.Action.ExpiresAt > 0 {
		at = later(at, time.Unix(shown.Action.ExpiresAt, 0))
	}
	return at
}

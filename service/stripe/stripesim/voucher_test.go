package stripesim_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v79"

	"kasse/service/stripe/stripesim"
)

// vouchers are the types of payment method that are paid elsewhere, with the member of their expiry.
var vouchers = []struct{ kind, currency, expires string }{
	{"boleto", "brl", "expires_at"},
	{"konbini", "jpy", "expires_at"},
	{"multibanco", "eur", "expires_at"},
	{"oxxo", "mxn", "expires_after"},
}

// issue confirms a payment with a voucher and returns it with its next_action.
func (b *bench) issue(kind, currency string) (*stripe.PaymentIntent, map[string]any) {
	b.t.Helper()
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new(currency) })
	must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_"+kind)))(b.t)
	return pi, b.action(pi.ID, kind+"_display_details")
}

// action returns the details of a payment's next_action, and requires that it has the kind.
func (b *bench) action(id, kind string) map[string]any {
	b.t.Helper()
	_, body := b.read(intents + "/" + id)
	var pi struct {
		Status string
		Action map[string]any `json:"next_action"`
	}
	if err := json.Unmarshal([]byte(body), &pi); err != nil {
		b.t.Fatal(err)
	}
	expect(b.t, "status", pi.Status, "requires_action")
	expect(b.t, "next action", fmt.Sprint(pi.Action["type"]), kind)
	details, _ := pi.Action[kind].(map[string]any)
	return details
}

func TestVoucherIsPaid(t *testing.T) {
	for _, v := range vouchers {
		t.Run(v.kind, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			pi, details := b.issue(v.kind, v.currency)
			if at, _ := details[v.expires].(float64); time.Unix(int64(at), 0).Before(b.Now().Add(24 * time.Hour)) {
				t.Errorf("%s is %v", v.expires, details[v.expires])
			}
			expect(t, "charge", b.get(pi.ID).LatestCharge == nil, true)
			if err := b.Settle(pi.ID, true); err != nil {
				t.Fatal(err)
			}
			paid := b.get(pi.ID)
			expect(t, "status", paid.Status, stripe.PaymentIntentStatusSucceeded)
			expect(t, "method", string(paid.LatestCharge.PaymentMethodDetails.Type), v.kind)
			b.Advance(90 * 24 * time.Hour)
			expect(t, "status after its expiry", b.get(pi.ID).Status, stripe.PaymentIntentStatusSucceeded)
			wantEvents(t, b, "payment_intent.created", "payment_intent.requires_action", "charge.succeeded",
				"payment_intent.succeeded")
		})
	}
}

func TestVoucherExpires(t *testing.T) {
	for _, v := range vouchers {
		t.Run(v.kind, func(t *testing.T) {
			b := start(t, stripesim.Options{})
			pi, details := b.issue(v.kind, v.currency)
			at, _ := details[v.expires].(float64)
			b.Advance(time.Unix(int64(at)-2, 0).Sub(b.Now()))
			b.action(pi.ID, v.kind+"_display_details")
			b.Advance(4 * time.Second)
			expired := b.get(pi.ID)
			expect(t, "status", expired.Status, stripe.PaymentIntentStatusRequiresPaymentMethod)
			expect(t, "code", string(expired.LastPaymentError.Code), "payment_intent_payment_attempt_expired")
			wantEvents(
				t, b, "payment_intent.created", "payment_intent.requires_action", "payment_intent.payment_failed",
			)
		})
	}
}

// TestVoucherOfAnEarlierAttempt: a voucher of an earlier attempt does not end a later one.
func TestVoucherOfAnEarlierAttempt(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi, _ := b.issue("oxxo", "mxn")
	b.Advance(48 * time.Hour)
	must(b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_oxxo")))(t)
	b.Advance(48 * time.Hour)
	b.action(pi.ID, "oxxo_display_details")
	b.Advance(48 * time.Hour)
	expect(t, "status", b.get(pi.ID).Status, stripe.PaymentIntentStatusRequiresPaymentMethod)
	b.arrived()
}

// TestVoucherByEmail: for a page's form the customer's e-mail address decides the result, as in Stripe's test
// mode.
func TestVoucherByEmail(t *testing.T) {
	for email, want := range map[string]string{
		"succeed_immediately@example.com": "succeeded", "expire_immediately@example.com": "requires_payment_method",
		"fill_never@example.com": "requires_action", "ada@example.com": "requires_action",
	} {
		t.Run(email, func(t *testing.T) {
			b := start(t, stripesim.Options{Settle: time.Minute})
			pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new("mxn") })
			_, body := b.postForm("confirm", intents+"/"+pi.ID+"/confirm",
				"return_url=https://shop.example&payment_method_data[type]=oxxo"+
					"&payment_method_data[billing_details][name]=Ada"+
					"&payment_method_data[billing_details][email]="+email+
					"&payment_method_options[oxxo][expires_after_days]=1")
			contains(t, body, `"requires_action"`)
			b.Advance(time.Minute)
			expect(t, "status", string(b.get(pi.ID).Status), want)
			if email == "fill_never@example.com" {
				b.Advance(24 * time.Hour)
				expect(t, "status after a day", string(b.get(pi.ID).Status), "requires_payment_method")
			}
			b.arrived()
		})
	}
}

func TestMicrodeposits(t *testing.T) {
	b := start(t, stripesim.Options{Settle: time.Hour})
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new("usd") })
	_, body := b.postForm("confirm", intents+"/"+pi.ID+"/confirm",
		"return_url=https://shop.example&payment_method=pm_usBankAccount_success"+
			"&payment_method_options[us_bank_account][verification_method]=microdeposits")
	contains(t, body, `"requires_action"`)
	b.action(pi.ID, "verify_with_microdeposits")
	_, wrong := b.postForm("wrong", intents+"/"+pi.ID+"/verify_microdeposits", "amounts[]=32&amounts[]=46")
	contains(t, wrong, "payment_method_microdeposit_verification_amounts_mismatch")
	_, right := b.postForm("right", intents+"/"+pi.ID+"/verify_microdeposits", "amounts[]=45&amounts[]=32")
	contains(t, right, `"processing"`)
	b.SettleAll()
	expect(t, "status", b.get(pi.ID).Status, stripe.PaymentIntentStatusSucceeded)
	b.arrived()
}

// TestActionsOnDemand: a payment can require any next_action, even one that Stripe does not have.
func TestActionsOnDemand(t *testing.T) {
	b, _ := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	for action, currency := range map[string]string{
		"oxxo_display_details": "mxn", "boleto_display_details": "brl", "konbini_display_details": "jpy",
		"multibanco_display_details": "eur", "display_bank_transfer_instructions": "eur",
		"verify_with_microdeposits": "usd", "unknown_action": "eur", "redirect_to_url": "eur", "use_stripe_sdk": "eur",
	} {
		pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new(currency) })
		if err := b.StartAction(pi.ID, action, time.Hour); err != nil {
			t.Fatal(err)
		}
		if action == "redirect_to_url" { // without a return_url the customer stays on the page
			action = "use_stripe_sdk"
		}
		b.action(pi.ID, action)
	}
	pi := b.open(func(p *stripe.PaymentIntentParams) { p.Currency = new("mxn") })
	if err := b.StartAction(pi.ID, "oxxo_display_details", time.Hour); err != nil {
		t.Fatal(err)
	}
	b.Advance(time.Hour)
	expect(t, "status after an hour", string(b.get(pi.ID).Status), "requires_payment_method")
	if err := b.StartAction(pi.ID, "boleto_display_details", 0); err == nil {
		t.Error("a boleto was issued in Mexican pesos")
	}
}

package stripesim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"kasse/service/stripe/stripesim"
)

// fact is a behavior of Stripe that is public and not part of its schema.
type fact struct {
	source string // where it is documented, or was recorded
	path   string // members joined by dots, from the top of the object
	want   string // regular expression for the value as text; "null", "{}" and "[]" are literal
}

const (
	intentObject = "https://docs.stripe.com/api/payment_intents/object"
	lifecycle    = "https://docs.stripe.com/payments/paymentintents/lifecycle"
	upgrades     = "https://docs.stripe.com/upgrades"
	declineCodes = "https://docs.stripe.com/declines/codes"
	sepaCapture  = "https://github.com/Dolibarr/dolibarr/blob/develop/dev/examples/stripe/" +
		"webhook_ipn_paymentintent_failed_sepa.txt"
	sessionObject  = "https://docs.stripe.com/api/customer_sessions/object"
	refundObject   = "https://docs.stripe.com/api/refunds/object"
	eventObject    = "https://docs.stripe.com/api/events/object"
	placeHold      = "https://docs.stripe.com/payments/place-a-hold-on-a-payment-method"
	redirectResult = "https://docs.stripe.com/payments/ideal/accept-a-payment"
)

func TestFactsOfAnOpenIntent(t *testing.T) {
	b := start(t, stripesim.Options{})
	checkObject(t, b, intents+"/"+b.open().ID, []fact{
		{intentObject, "id", `pi_[A-Za-z0-9]{24}`},
		{intentObject, "client_secret", `pi_[A-Za-z0-9]{24}_secret_[A-Za-z0-9]{25}`},
		{intentObject, "amount_details.tip", `{}`},
		{intentObject, "amount_received", `0`},
		{intentObject, "metadata", `{}`},
		{intentObject, "next_action", `null`},
		{intentObject, "payment_method", `null`},
		{intentObject, "livemode", `false`},
		{upgrades + "#2022-11-15", "latest_charge", `null`},
		{upgrades + "#2023-08-16", "automatic_payment_methods.enabled", `true`},
		{upgrades + "#2023-08-16", "automatic_payment_methods.allow_redirects", `always`},
		{upgrades + "#2024-04-10", "capture_method", `automatic_async`},
		{lifecycle, "status", `requires_payment_method`},
	})
}

func TestFactsOfADecline(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	_, err := b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_card_visa_chargeDeclined"))
	refusal(t, err)
	checkObject(t, b, intents+"/"+pi.ID, []fact{
		{lifecycle, "status", `requires_payment_method`},
		{lifecycle, "payment_method", `null`},
		{declineCodes, "last_payment_error.code", `card_declined`},
		{declineCodes, "last_payment_error.decline_code", `generic_decline`},
		{declineCodes, "last_payment_error.type", `card_error`},
		{declineCodes, "last_payment_error.doc_url", `https://stripe\.com/docs/error-codes/card-declined`},
		{declineCodes, "last_payment_error.charge", `ch_[A-Za-z0-9]{24}`},
		{sepaCapture, "last_payment_error.payment_method.type", `card`},
		{sepaCapture, "last_payment_error.payment_method.billing_details.address.city", `null`},
		{intentObject, "latest_charge", `ch_[A-Za-z0-9]{24}`},
	})
}

func TestFactsOfAnAuthorisation(t *testing.T) {
	b := start(t, stripesim.Options{})
	checkObject(t, b, "/v1/charges/"+b.authorise().LatestCharge.ID, []fact{
		{placeHold, "captured", `false`},
		{placeHold, "paid", `true`},
		{placeHold, "status", `succeeded`},
		{placeHold, "amount_captured", `0`},
		{placeHold, "payment_method_details.card.capture_before", `\d{10}`},
		{upgrades + "#2022-11-15", "refunds", `<nil>`},
	})
}

func TestFactsOfABankPage(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.open()
	if _, err := b.api.PaymentIntents.Confirm(pi.ID, confirmWith("pm_ideal")); err != nil {
		t.Fatal(err)
	}
	checkObject(t, b, intents+"/"+pi.ID, []fact{
		{redirectResult, "next_action.type", `redirect_to_url`},
		{redirectResult, "next_action.redirect_to_url.url", `http://.*`},
		{redirectResult, "next_action.redirect_to_url.return_url", `https://shop\.example/done\?order=7`},
		{redirectResult, "status", `requires_action`},
	})
}

func TestFactsOfEventsRefundsAndSessions(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_visa")
	_, refund := b.postForm("refund", "/v1/refunds", "payment_intent="+pi.ID)
	checkFacts(t, refund, []fact{
		{refundObject, "id", `re_[A-Za-z0-9]{24}`},
		{refundObject, "status", `succeeded`},
		{refundObject, "destination_details.type", `card`},
		{refundObject, "reason", `null`},
	})
	_, session := b.postForm("session", "/v1/customer_sessions",
		"customer="+b.customer().ID+"&components[payment_element][enabled]=true")
	checkFacts(t, session, []fact{
		{sessionObject, "client_secret", `cuss_secret_[A-Za-z0-9]{47}`},
		{sessionObject, "components.buy_button.enabled", `false`},
		{sessionObject, "components.payment_element.features.payment_method_redisplay", `disabled`},
		{sessionObject, "components.payment_element.features.payment_method_redisplay_limit", `null`},
		{sessionObject, "components.payment_element.features.payment_method_save_usage", `null`},
	})
	_, events := b.read("/v1/events?limit=1&type=charge.succeeded")
	checkFacts(t, events, []fact{
		{eventObject, "data.0.api_version", `2024-06-20`},
		{eventObject, "data.0.request.id", `req_[A-Za-z0-9]{14}`},
		{eventObject, "data.0.data.object.object", `charge`},
	})
}

func TestHeaders(t *testing.T) {
	b := start(t, stripesim.Options{})
	res, _ := b.postForm("key", intents, terms)
	for name, want := range map[string]string{
		"Request-Id": `req_[A-Za-z0-9]{14}`, "Stripe-Version": `2024-06-20`, "Idempotency-Key": `key`,
		"Content-Type": `application/json`, "Date": `.* GMT`,
	} {
		if got := res.Header.Get(name); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	b.Advance(1000 * 3600 * 1e9)
	later, _ := b.postForm("later", intents, terms)
	at := must(http.ParseTime(later.Header.Get("Date")))(t)
	if ahead := at.Sub(must(http.ParseTime(res.Header.Get("Date")))(t)).Hours(); ahead < 999 {
		t.Errorf("Date does not follow the simulator's clock: %f hours", ahead)
	}
}

// checkObject reads an object and compares it with the facts.
func checkObject(t *testing.T, b *bench, path string, facts []fact) {
	t.Helper()
	_, body := b.read(path)
	checkFacts(t, body, facts)
}

func checkFacts(t *testing.T, body string, facts []fact) {
	t.Helper()
	var object any
	if err := json.Unmarshal([]byte(body), &object); err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		got := inText(object, strings.Split(f.path, "."))
		if !regexp.MustCompile("^(" + strings.ReplaceAll(f.want, "{}", `\{\}`) + ")$").MatchString(got) {
			t.Errorf("%s is %s, want %s: see %s", f.path, got, f.want, f.source)
		}
	}
}

// inText follows a path to a member and formats it as JSON, a string without quotes; <nil> if it is absent.
func inText(at any, steps []string) string {
	for _, step := range steps {
		switch value := at.(type) {
		case map[string]any:
			member, there := value[step]
			if !there {
				return "<nil>"
			}
			at = member
		case []any:
			var n int
			if _, err := fmt.Sscan(step, &n); err != nil || n >= len(value) {
				return "<nil>"
			}
			at = value[n]
		}
	}
	if s, ok := at.(string); ok {
		return s
	}
	raw, _ := json.Marshal(at)
	return string(raw)
}

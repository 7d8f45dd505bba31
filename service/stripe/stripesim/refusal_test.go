package stripesim_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kasse/service/stripe/stripesim"
)

// noDecimals is the code for an amount that its currency does not have.
const noDecimals = "invalid_charge_amount_no_decimal_compatible"

const mobile = "components[mobile_payment_element]"

// refusals are wrong requests, with the code and the parameter of Stripe's error.
var refusals = []struct{ path, form, code, param string }{
	{intents, "currency=eur", "parameter_missing", "amount"},
	{intents, "amount=2000", "parameter_missing", "currency"},
	{intents, terms + "&colour=red", "parameter_unknown", "colour"},
	{
		intents, terms + "&automatic_payment_methods[enabled]=true&automatic_payment_methods[x]=1", "parameter_unknown",
		"automatic_payment_methods[x]",
	},
	{intents, "amount=20.5&currency=eur", "parameter_invalid_integer", "amount"},
	{intents, "amount=&currency=eur", "parameter_invalid_empty", "amount"},
	{intents, "amount=0&currency=eur", "parameter_invalid_integer", "amount"},
	{intents, "amount=49&currency=eur", "amount_too_small", "amount"},
	{intents, "amount=100000000&currency=eur", "amount_too_large", "amount"},
	{intents, "amount=1000000000000&currency=idr", "amount_too_large", "amount"},
	{intents, "amount=10000000000&currency=cop", "amount_too_large", "amount"},
	{intents, "amount=1000000000&currency=inr", "amount_too_large", "amount"},
	{intents, "amount=5125&currency=kwd", noDecimals, "amount"},
	{intents, "amount=550&currency=isk", noDecimals, "amount"},
	{intents, "amount=501&currency=ugx", noDecimals, "amount"},
	{intents, "amount=2000&currency=xxx", "", "currency"},
	{intents, terms + "&shipping[name]=Ada", "parameter_missing", "shipping[address]"},
	{
		intents, terms + "&shipping[name]=Ada&shipping[address][planet]=Mars", "parameter_unknown",
		"shipping[address][planet]",
	},
	{intents, terms + "&payment_method_configuration=nothing", "resource_missing", "payment_method_configuration"},
	{intents, terms + "&capture_method=later", "", "capture_method"},
	{intents, terms + "&customer=cus_nobody", "resource_missing", "customer"},
	{intents, terms + "&receipt_email=invalid", "email_invalid", "receipt_email"},
	{intents, terms + "&statement_descriptor_suffix=ORDER*7", "", "statement_descriptor_suffix"},
	{intents, terms + "&payment_method_types[]=shells", "", "payment_method_types"},
	{intents, terms + "&payment_method=pm_nothing", "resource_missing", "payment_method"},
	{intents, terms + "&confirm=true&payment_method=pm_card_visa", "", "return_url"},
	{intents, terms + "&expand[]=colour", "", "expand"},
	{intents + "/pi_nothing", "amount=2000", "resource_missing", "intent"},
	{"/v1/refunds", "amount=1", "parameter_missing", "payment_intent"},
	{"/v1/refunds", "payment_intent=pi_nothing", "resource_missing", "payment_intent"},
	{"/v1/customer_sessions", "customer=cus_nobody", "parameter_missing", "components"},
	{
		"/v1/customer_sessions", "customer=cus_nobody&components[payment_element][enabled]=true", "resource_missing",
		"customer",
	},
	{
		"/v1/customer_sessions", "customer=cus_nobody&components[payment_element][features][x]=1", "parameter_unknown",
		"components[payment_element][features][x]",
	},
	{
		"/v1/customer_sessions",
		"customer=cus_nobody&" + mobile + "[enabled]=true&" + mobile +
			"[features][payment_method_save_usage]=on_session",
		"parameter_unknown", mobile + "[features][payment_method_save_usage]",
	},
	{"/v1/nothing", "", "", ""},
}

func TestRefusals(t *testing.T) {
	b := start(t, stripesim.Options{})
	for i, tt := range refusals {
		t.Run(fmt.Sprint(tt.path, " ", tt.form), func(t *testing.T) {
			res, body := b.postForm(fmt.Sprint("k", i), tt.path, tt.form)
			var answer struct {
				Error struct{ Code, Param, Type, Message string }
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"invalid_request_error", tt.code, tt.param},
				[]string{answer.Error.Type, answer.Error.Code, answer.Error.Param}); diff != "" {
				t.Errorf("%s\n%s", answer.Error.Message, diff)
			}
			if res.StatusCode != 400 && res.StatusCode != 404 {
				t.Errorf("http status is %d", res.StatusCode)
			}
		})
	}
}

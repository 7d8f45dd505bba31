package stripesim_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stripe/stripe-mock/spec"

	"kasse/service/stripe/stripesim"
)

// leftOut are parameters of billing and of unsupported payment methods. A client that sends them expects
// behavior that the simulator does not have.
var leftOut = map[string]bool{
	"POST /v1/payment_methods": true, "promotion_code": true, "next_invoice_sequence": true, "coupon": true,
	"bank_account": true, "default_card": true, "cash_balance": true, "default_alipay_account": true, "card": true,
	"default_bank_account": true, "default_source": true, "tax_id_data": true, "test_clock": true,
}

// TestNoPublishedParameterIsUnknown: the simulator accepts every parameter of an endpoint in Stripe's schema,
// so that no client must be changed.
func TestNoPublishedParameterIsUnknown(t *testing.T) {
	b := start(t, stripesim.Options{})
	for _, endpoint := range stripesim.Endpoints() {
		method, pattern, _ := strings.Cut(endpoint, " ")
		path := strings.NewReplacer("{", "x_", "}", "").Replace(pattern)
		operation := operationFor(method, path)
		if operation == nil || leftOut[endpoint] {
			continue
		}
		for name, schema := range parameters(operation) {
			if leftOut[name] {
				continue
			}
			form := url.Values{formName(name, schema): {"x"}}
			if body := b.form(method, path, form); strings.Contains(body, `"Received unknown parameter: `+name+`"`) {
				t.Errorf("%s does not know %s", endpoint, name)
			}
		}
	}
}

// parameters returns the parameters of an operation's query or form.
func parameters(operation *spec.Operation) map[string]*spec.Schema {
	out := map[string]*spec.Schema{}
	for _, p := range operation.Parameters {
		if p.In == spec.ParameterQuery {
			out[p.Name] = p.Schema
		}
	}
	if operation.RequestBody != nil {
		maps.Copy(out, operation.RequestBody.Content["application/x-www-form-urlencoded"].Schema.Properties)
	}
	return out
}

// formName returns a parameter's name in a form.
func formName(name string, schema *spec.Schema) string {
	switch schema.Type {
	case spec.TypeArray:
		return name + "[]"
	case spec.TypeObject:
		return name + "[x]"
	}
	return name
}

// form sends a form, or a query, and returns the body of the response.
func (b *bench) form(method, path string, form url.Values) (body string) {
	b.t.Helper()
	switch method {
	case http.MethodPost:
		_, body = b.postForm(fmt.Sprint(path, form), path, form.Encode())
	case http.MethodGet:
		_, body = b.read(path + "?" + form.Encode())
	}
	return body
}

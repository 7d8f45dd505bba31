package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ifMatch(value string) map[string]string { return map[string]string{"If-Match": value} }

// change sends a change of price for the version that is named.
func (w *world) change(made opened, version, amount int64) reply {
	w.t.Helper()
	return w.send(request{
		line: "PATCH /v1/payments/" + made.PaymentIntent, token: shopKey, body: fmt.Sprintf(
			`{"amount":%d}`, amount,
		), header: ifMatch(fmt.Sprintf(`"%d"`, version)),
	})
}

// atStripe is a PaymentIntent as Stripe has it.
type atStripe struct {
	Status, Currency string
	Amount           int64
	Reason           string `json:"cancellation_reason"`
}

func (w *world) atStripe(id string) atStripe {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/v1/payment_intents/"+id, http.NoBody)
	r.Header.Set("Authorization", "Bearer sk_test_kasse")
	answer := httptest.NewRecorder()
	w.stripe.ServeHTTP(answer, r)
	var found atStripe
	if err := unmarshal(answer.Body.Bytes(), &found); err != nil || answer.Code != http.StatusOK {
		w.t.Fatalf("%d %v %s", answer.Code, err, answer.Body)
	}
	return found
}

// says checks the status and the code of a problem, and returns it.
func (r reply) says(t *testing.T, status int, code string) reply {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, `"code":"`+code+`"`) {
		t.Errorf("%d %s, want %d %s", r.status, r.body, status, code)
	}
	return r
}

func TestChangeOfPrice(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	var dearer, same opened
	answer := w.change(made, made.Version, 5999)
	answer.into(t, http.StatusOK, &dearer)
	if dearer.Amount != 5999 || dearer.Version <= made.Version || answer.header.Get("ETag") != fmt.Sprintf(
		`"%d"`, dearer.Version,
	) || dearer.State != "pending" {
		t.Errorf("changed to %s with %v", answer.body, answer.header)
	}
	if got := w.atStripe(made.PaymentIntent); got.Amount != 5999 {
		t.Errorf("Stripe has %+v", got)
	}
	w.change(dearer, dearer.Version, 5999).into(t, http.StatusOK, &same)
	if same.Version != dearer.Version {
		t.Errorf("version %d becomes %d by the same amount", dearer.Version, same.Version)
	}
	stale := w.change(made, made.Version, 6999).says(t, http.StatusPreconditionFailed, "version_mismatch")
	if !strings.Contains(
		stale.body, fmt.Sprintf(`"version":%d`, dearer.Version),
	) || strings.Contains(stale.body, "_secret_") {
		t.Errorf("the payment is missing, or its secret is not, in %s", stale.body)
	}
	w.send(
		request{line: createLine, token: shopKey, body: `{"order_id":"shop-1","amount":4999,"currency":"eur"}`},
	).says(t, http.StatusConflict, "order_conflict")
	w.send(
		request{line: createLine, token: shopKey, body: `{"order_id":"shop-1","amount":5999,"currency":"eur"}`},
	).into(t, http.StatusOK, &same)
	if same.PaymentIntent != made.PaymentIntent || w.atStripe(made.PaymentIntent).Amount != 5999 {
		t.Errorf("another payment or price: %+v", same)
	}
}

func TestChangeThatIsNone(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	line, tag := "PATCH /v1/payments/"+made.PaymentIntent, fmt.Sprintf(`"%d"`, made.Version)
	dump, calls := w.dump(), len(w.stripe.Requests())
	header := func(value string) refused {
		return refused{
			name: "If-Match " + value, line: line, body: `{"amount":1}`, header: ifMatch(value), status: 400,
			code: "invalid_request", where: []string{"If-Match"},
		}
	}
	passed := func(value string) refused {
		return refused{
			name: "If-Match " + value, line: line, body: `{"amount":1}`, header: ifMatch(value), status: 412,
			code: "version_mismatch",
		}
	}
	body := func(text string, status int, code string, where ...string) refused {
		return refused{
			name: "body " + text, line: line, body: text, header: ifMatch(tag), status: status, code: code,
			where: where,
		}
	}
	for _, r := range []refused{
		{
			name: "no If-Match", line: line, body: `{"amount":1}`, status: 428, code: "if_match_required",
			where: []string{"If-Match"},
		},
		{
			name: "no If-Match, nothing else right", line: line, body: `{`,
			header: map[string]string{"Content-Type": "text/plain"}, status: 428, code: "if_match_required",
			where: []string{"If-Match"},
		},
		header(""), header(" "), header(","), header("1"), header(
			strings.Trim(tag, `"`),
		), header(`"1`), header(`""1""`), header(`w/` + tag), header(tag + " " + tag),
		header(
			tag + ", *",
		), header("*, " + tag), header("**"), header("* x"), header(tag + ", 1"), header(tag + "x"), header("\"1 2\""),
		passed(`"x"`), passed(`"01"`), passed(`"+1"`), passed(`"-1"`), passed(`""`), passed(`"1"`), passed(
			`W/"1-gzip"`,
		), passed(`"1", "2"`), passed(`"99999999999999999999"`),
		passed(tag[:len(tag)-1] + `-x"`), passed(tag[:len(tag)-1] + `-gzip-gzip-gzip"`), passed(`"a,b", "gzip"`),
		body(``, 400, "invalid_request", "/amount"), body(`{}`, 400, "invalid_request", "/amount"), body(
			`{"amount":null}`, 400, "invalid_request", "/amount",
		),
		body(`{"amount":"1"}`, 400, "invalid_request", "/amount"), body(
			`{"amount":1.5}`, 400, "invalid_request", "/amount",
		), body(`{"amount":1,"currency":"usd"}`, 400, "invalid_request", "/currency"),
		body(
			`{"amount":1,"amount":2}`, 400, "invalid_json", "/amount",
		), body(`[1]`, 400, "invalid_request"), body(`{"amount":0}`, 422, "amount_out_of_range", "/amount"),
		body(`{"amount":-1}`, 422, "amount_out_of_range", "/amount"), body(
			`{"amount":1000000000000}`, 422, "amount_out_of_range", "/amount",
		), body(`{"amount":9007199254740993}`, 422, "amount_out_of_range", "/amount"),
		{
			name: "not there", line: "PATCH /v1/payments/pi-x", body: `{"amount":1}`, header: ifMatch(tag),
			status: 400, code: "invalid_request", where: []string{"payment_intent"},
		},
		{
			name: "unknown reason", line: "POST /v1/payments/" + made.PaymentIntent + "/cancel",
			body: `{"reason":"tired"}`, token: fullKey, status: 400, code: "invalid_request",
			where: []string{"/reason"},
		},
		{
			name: "empty reason", line: "POST /v1/payments/" + made.PaymentIntent + "/cancel",
			body: `{"reason":""}`, token: fullKey, status: 400, code: "invalid_request", where: []string{"/reason"},
		},
		{
			name: "reasons", line: "POST /v1/payments/" + made.PaymentIntent + "/cancel",
			body: `{"reason":["duplicate"],"by":"me"}`, token: fullKey, status: 400, code: "invalid_request",
			where: []string{"/by", "/reason"},
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			w.t = t
			if r.token == "" {
				r.token = shopKey
			}
			w.checkRefusal(r)
		})
	}
	w.t = t
	w.checkUntouched(dump, calls)
	w.send(
		request{line: "PATCH /v1/payments/pi_nothing", token: shopKey, body: `{"amount":1}`, header: ifMatch(tag)},
	).says(t, http.StatusNotFound, "not_found")
}

// TestChangeByEveryFormOfIfMatch: a list, "*", and an ETag as proxies rewrite it allow the change;
// each change has a version of its own.
func TestChangeByEveryFormOfIfMatch(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	for n := range forms(etagOf(made)) {
		value, amount := forms(etagOf(made))[n], 5000+n
		if strings.HasPrefix(value, "x") {
			continue // what is not a tag is refused here
		}
		answer := w.send(request{
			line: "PATCH /v1/payments/" + made.PaymentIntent, token: shopKey, body: fmt.Sprintf(
				`{"amount":%d}`, amount,
			), header: ifMatch(value),
		})
		var changed opened
		if answer.into(t, http.StatusOK, &changed); changed.Amount != int64(amount) || changed.Version <= made.Version {
			t.Errorf("If-Match: %s: %s", value, answer.body)
		}
		made.Version = changed.Version
	}
}

// TestChangeByState: the price changes only while the payment waits for a payment method, and a failed one may be tried
// again.
func TestChangeByState(t *testing.T) {
	for status, want := range map[string]struct {
		state string
		code  int
	}{
		"requires_payment_method": {"failed", 200}, "requires_action": {"action_required", 409},
		"processing": {"processing", 409}, "succeeded": {"paid", 409},
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.deliverWebhooks()
			made := w.create("shop-1")
			w.bring(made.PaymentIntent, status)
			var seen opened
			answer := reply{status: http.StatusPreconditionFailed}
			// The charge's own event comes later, and raises the version.
			for answer.status == http.StatusPreconditionFailed {
				w.reach(made.PaymentIntent, want.state).into(t, http.StatusOK, &seen)
				answer = w.change(made, seen.Version, 5999)
			}
			if want.code == http.StatusOK {
				answer.into(t, http.StatusOK, &seen)
				if seen.State != "pending" || seen.Amount != 5999 || !strings.Contains(answer.body, `"failure":null`) {
					t.Errorf("after the change: %s", answer.body)
				}
				return
			}
			answer.says(t, http.StatusConflict, "invalid_state")
			if !strings.Contains(
				answer.body, `"payment":{"payment_intent":"`+made.PaymentIntent,
			) || w.atStripe(made.PaymentIntent).Amount != 4999 {
				t.Errorf("the payment is missing in %s, or Stripe has %+v", answer.body, w.atStripe(made.PaymentIntent))
			}
		})
	}
}

// TestCustomerIsFasterThanTheChange: Stripe says no before its webhook comes.
func TestCustomerIsFasterThanTheChange(t *testing.T) {
	w := newWorld(t)
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, "succeeded")
	answer := w.change(made, made.Version, 5999).says(t, http.StatusConflict, "invalid_state")
	if !strings.Contains(answer.body, `"state":"paid"`) || !strings.Contains(answer.body, `"fulfillable":true`) {
		t.Errorf("the payment is shown as it was: %s", answer.body)
	}
	if got := w.reach(made.PaymentIntent, "paid"); !strings.Contains(got.body, `"fulfillable":true`) {
		t.Errorf("status is %s", got.body)
	}
}

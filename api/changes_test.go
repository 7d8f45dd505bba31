package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func ifMatch(value string) map[string]string { return map[string]string{"If-Match": value} }

// change sends a change of price for the version that is named.
func (w *apiEnv) change(made opened, version, amount int64) reply {
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

func (w *apiEnv) atStripe(id string) atStripe {
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
	w := newEnv(t)
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

// badIfMatch are values of If-Match that are no list of tags; TAG is the payment's.
var badIfMatch = []string{
	"", " ", ",", "1", "BARE", `"1`, `""1""`, `w/TAG`, "TAG TAG", "TAG, *", "*, TAG", "**", "* x", "TAG, 1", "TAGx",
	`"1 2"`,
}

// otherVersions are values of If-Match without the payment's version, which is BARE.
var otherVersions = []string{
	`"x"`, `"01"`, `"+1"`, `"-1"`, `""`, `"1"`, `W/"1-gzip"`, `"1", "2"`, `"99999999999999999999"`, `"BARE-x"`,
	`"BARE-gzip-gzip-gzip"`, `"a,b", "gzip"`,
}

// badChanges are bodies of PATCH that are refused.
var badChanges = []refused{
	{body: ``, status: 400, code: "invalid_request", where: []string{"/amount"}},
	{body: `{}`, status: 400, code: "invalid_request", where: []string{"/amount"}},
	{body: `{"amount":null}`, status: 400, code: "invalid_request", where: []string{"/amount"}},
	{body: `{"amount":"1"}`, status: 400, code: "invalid_request", where: []string{"/amount"}},
	{body: `{"amount":1.5}`, status: 400, code: "invalid_request", where: []string{"/amount"}},
	{body: `{"amount":1,"currency":"usd"}`, status: 400, code: "invalid_request", where: []string{"/currency"}},
	{body: `{"amount":1,"amount":2}`, status: 400, code: "invalid_json", where: []string{"/amount"}},
	{body: `[1]`, status: 400, code: "invalid_request"},
	{body: `{"amount":0}`, status: 422, code: "amount_out_of_range", where: []string{"/amount"}},
	{body: `{"amount":-1}`, status: 422, code: "amount_out_of_range", where: []string{"/amount"}},
	{body: `{"amount":1000000000000}`, status: 422, code: "amount_out_of_range", where: []string{"/amount"}},
	{body: `{"amount":9007199254740993}`, status: 422, code: "amount_out_of_range", where: []string{"/amount"}},
}

// badCancels are bodies of a cancel that are refused.
var badCancels = []refused{
	{body: `{"reason":"tired"}`, status: 400, code: "invalid_request", where: []string{"/reason"}},
	{body: `{"reason":""}`, status: 400, code: "invalid_request", where: []string{"/reason"}},
	{
		body: `{"reason":["duplicate"],"by":"me"}`, status: 400, code: "invalid_request",
		where: []string{"/by", "/reason"},
	},
}

// refusedChanges are all changes of the payment that are refused.
func refusedChanges(made opened) []refused {
	line, bare := "PATCH /v1/payments/"+made.PaymentIntent, strconv.FormatInt(made.Version, 10)
	tag := `"` + bare + `"`
	values := strings.NewReplacer("TAG", tag, "BARE", bare)
	all := []refused{
		{
			name: "no If-Match", line: line, body: `{"amount":1}`, status: 428, code: "if_match_required",
			where: []string{"If-Match"},
		},
		{
			name: "no If-Match, nothing else right", line: line, body: `{`,
			header: map[string]string{"Content-Type": "text/plain"}, status: 428, code: "if_match_required",
			where: []string{"If-Match"},
		},
		{
			name: "not there", line: "PATCH /v1/payments/pi-x", body: `{"amount":1}`, header: ifMatch(tag),
			status: 400, code: "invalid_request", where: []string{"payment_intent"},
		},
	}
	for _, value := range badIfMatch {
		all = append(all, refused{
			name: "If-Match " + value, line: line, body: `{"amount":1}`, header: ifMatch(values.Replace(value)),
			status: 400, code: "invalid_request", where: []string{"If-Match"},
		})
	}
	for _, value := range otherVersions {
		all = append(all, refused{
			name: "If-Match " + value, line: line, body: `{"amount":1}`, header: ifMatch(values.Replace(value)),
			status: 412, code: "version_mismatch",
		})
	}
	for _, r := range badChanges {
		r.name, r.line, r.header = "body "+r.body, line, ifMatch(tag)
		all = append(all, r)
	}
	for _, r := range badCancels {
		r.name, r.line, r.token = "cancel "+r.body, "POST /v1/payments/"+made.PaymentIntent+"/cancel", fullKey
		all = append(all, r)
	}
	return all
}

func TestInvalidChangesAreRefused(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	dump, calls := w.dump(), len(w.stripe.Requests())
	for _, r := range refusedChanges(made) {
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
	w.send(request{
		line: "PATCH /v1/payments/pi_nothing", token: shopKey, body: `{"amount":1}`, header: ifMatch(etagOf(made)),
	}).says(t, http.StatusNotFound, "not_found")
}

// TestChangeByEveryFormOfIfMatch: a list, "*", and an ETag as proxies rewrite it allow the change;
// each change has a version of its own.
func TestChangeByEveryFormOfIfMatch(t *testing.T) {
	w := newEnv(t)
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

// TestChangeByState: the price changes only while the payment waits for a payment method. A failed payment may be tried
// again then, also at the same price.
func TestChangeByState(t *testing.T) {
	for status, want := range map[string]struct {
		state string
		code  int
	}{
		"requires_payment_method": {"failed", 200}, "requires_action": {"action_required", 409},
		"processing": {"processing", 409}, "succeeded": {"paid", 409},
	} {
		for _, amount := range []int64{4999, 5999} {
			t.Run(fmt.Sprintf("%s %d", status, amount), func(t *testing.T) {
				t.Parallel()
				changeInState(t, status, want.state, amount, want.code)
			})
		}
	}
}

// changeInState changes the price of a payment with that status at Stripe, which the API shows as state.
func changeInState(t *testing.T, status, state string, amount int64, want int) {
	t.Helper()
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, status)
	var seen opened
	answer := reply{status: http.StatusPreconditionFailed}
	// The charge's own event comes later, and raises the version.
	for answer.status == http.StatusPreconditionFailed {
		w.reach(made.PaymentIntent, state).into(t, http.StatusOK, &seen)
		answer = w.change(made, seen.Version, amount)
	}
	if want == http.StatusOK {
		answer.into(t, http.StatusOK, &seen)
		if seen.State != "pending" || seen.Amount != amount || !strings.Contains(answer.body, `"failure":null`) {
			t.Errorf("after the change: %s", answer.body)
		}
		return
	}
	answer.says(t, want, "invalid_state")
	if !strings.Contains(
		answer.body, `"payment":{"payment_intent":"`+made.PaymentIntent,
	) || w.atStripe(made.PaymentIntent).Amount != 4999 {
		t.Errorf("the payment is missing in %s, or Stripe has %+v", answer.body, w.atStripe(made.PaymentIntent))
	}
}

// TestChangeAfterTheCustomerHasPaid: Stripe refuses before its webhook arrives.
func TestChangeAfterTheCustomerHasPaid(t *testing.T) {
	w := newEnv(t)
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

package stripe

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kasse/service/payment"
)

// formsCases are the requests of TestForms: method, path, idempotency key and form.
var formsCases = []string{
	"POST /v1/payment_intents kasse:kasse:order-1:2 " +
		"amount=1000&automatic_payment_methods[enabled]=true&capture_method=automatic_async&currency=eur" +
		"&customer=cus_1&description=a+%26+b&metadata[colour]=red&metadata[kasse_attempt]=2" +
		"&metadata[kasse_order_id]=order-1&metadata[kasse_rev]=1700000000000&metadata[kasse_service]=kasse" +
		"&metadata[size]=m",
	"POST /v1/customer_sessions fresh components[payment_element][enabled]=true" +
		"&components[payment_element][features][payment_method_allow_redisplay_filters][0]=always" +
		"&components[payment_element][features][payment_method_allow_redisplay_filters][1]=limited" +
		"&components[payment_element][features][payment_method_redisplay]=enabled" +
		"&components[payment_element][features][payment_method_redisplay_limit]=5" +
		"&components[payment_element][features][payment_method_remove]=disabled" +
		"&components[payment_element][features][payment_method_save]=enabled" +
		"&components[payment_element][features][payment_method_save_usage]=off_session&customer=cus_1",
	"POST /v1/customer_sessions fresh components[mobile_payment_element][enabled]=true" +
		"&components[mobile_payment_element][features][payment_method_redisplay]=enabled" +
		"&components[mobile_payment_element][features][payment_method_remove]=enabled" +
		"&components[mobile_payment_element][features][payment_method_save]=disabled&customer=cus_1",
}

// TestForms: the forms and API versions of a payment and of customer sessions are those expected.
func TestForms(t *testing.T) {
	g, seen := stripeThat(t, 5*time.Second, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "customer_sessions") {
			reply(http.StatusOK, `{"client_secret":"cuss_1","expires_at":1700000000}`)(w, r)
			return
		}
		reply(http.StatusOK, intentBody)(w, r)
	})
	form := g.PaymentForm(payment.CreateRequest{
		Order: "order-1", Description: "a & b", Metadata: map[string]string{"size": "m", "colour": "red"},
	}, payment.Terms{
		Amount: 1000, Currency: "eur", Customer: "cus_1", CaptureMethod: "automatic_async",
	}, 2, 1700000000000)
	if _, err := g.OpenPayment(t.Context(), "kasse:kasse:order-1:2", form); err != nil {
		t.Fatal(err)
	}
	limit := 5
	if _, err := g.OpenSession(t.Context(), "cus_1", payment.SessionFeatures{
		RedisplayLimit: &limit, RedisplayOnly: []string{"always", "limited"}, Save: true, SaveUsage: "off_session",
	}); err != nil {
		t.Fatal(err)
	}
	mobile := payment.SessionFeatures{Surface: "mobile", Remove: true}
	if _, err := g.OpenSession(t.Context(), "cus_1", mobile); err != nil {
		t.Fatal(err)
	}
	want := formsCases
	var versions []string
	var got []string
	for _, r := range *seen {
		body, _ := io.ReadAll(r.Body)
		key := r.Header.Get("Idempotency-Key")
		if strings.HasSuffix(r.URL.Path, "customer_sessions") && len(key) >= 16 {
			key = "fresh"
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+key+" "+string(body))
		versions = append(versions, r.Header.Get("Stripe-Version"))
	}
	if diff := cmp.Diff([]string{"2024-06-20", "2024-06-20", "2025-10-29.clover"}, versions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// TestFindCreationKey: the idempotency key of a PaymentIntent's creation is found in the pages of the list of events.
func TestFindCreationKey(t *testing.T) {
	made := func(event, id, request string) string {
		return `{"id":"` + event +
			`","object":"event","type":"payment_intent.created","created":1600000000,"request":` + request +
			`,"data":{"object":` + strings.Replace(intentBody, "pi_1", id, 1) + `}}`
	}
	first := `{"data":[` + made("evt_1", "pi_2", `{"idempotency_key":"other"}`) + `],"has_more":true}`
	for name, tt := range map[string]struct {
		second, key string
		known       bool
	}{
		"our key":        {made("evt_2", "pi_1", `{"id":"req_1","idempotency_key":"ours"}`), "ours", true},
		"no key":         {made("evt_2", "pi_1", `{"id":null,"idempotency_key":null}`), "", true},
		"an old version": {made("evt_2", "pi_1", `"req_1"`), "", false},
		"no event of it": {made("evt_2", "pi_3", `{"idempotency_key":"other"}`), "", false},
	} {
		g, _ := stripeThat(t, time.Second, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("starting_after") == "evt_1" {
				reply(http.StatusOK, `{"data":[`+tt.second+`],"has_more":false}`)(w, r)
				return
			}
			reply(http.StatusOK, first)(w, r)
		})
		key, known, err := g.FindCreationKey(t.Context(), "pi_1", 1600000000)
		if err != nil || key != tt.key || known != tt.known {
			t.Errorf("%s: %q %v %v, want %q %v", name, key, known, err, tt.key, tt.known)
		}
	}
}

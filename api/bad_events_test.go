package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kasse/service"
	"kasse/service/payment"
	"kasse/test/rounds"
	"kasse/test/wait"
)

// eventAbout is an event with the members that Stripe documents, and an object.
func eventAbout(kind, object, more string) string {
	return fmt.Sprintf(
		`{"id":"evt_1","object":"event","type":%q,"created":%d,"livemode":false%s,"data":{"object":%s}}`, kind,
		time.Now().Unix(), more, object,
	)
}

// intentOf is a PaymentIntent as a shop with the same Stripe account has it.
func intentOf(id, status, metadata string) string {
	return fmt.Sprintf(
		`{"id":%q,"object":"payment_intent","status":%q,"amount":4999,"amount_received":4999,"currency":"eur",`+
			`"created":%d,"metadata":{%s}}`,
		id, status, time.Now().Unix(), metadata,
	)
}

// TestBadEvents: every signed event is answered 200, since Stripe would otherwise stop its deliveries. An
// event that is not ours stores nothing.
func TestBadEvents(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	ours := intentOf(made.PaymentIntent, "succeeded", `"kasse_service":"kasse"`)
	dump := w.dump()
	for _, tt := range []struct{ name, body, want string }{
		{
			"a thin one",
			`{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered",` +
				`"created":"2026-11-23T12:00:00Z","related_object":{"id":"mtr_1"}}`,
			"ignored",
		},
		{"of a Connect account", eventAbout("payment_intent.succeeded", ours, `,"account":"acct_1"`), "ignored"},
		{
			"of the other mode",
			strings.Replace(eventAbout("payment_intent.succeeded", ours, ""), `"livemode":false`, `"livemode":true`, 1),
			"ignored",
		},
		{
			"of the other mode, with an unknown status",
			strings.Replace(eventAbout(
				"payment_intent.succeeded", strings.Replace(ours, "succeeded", "settled", 1), "",
			), `"livemode":false`, `"livemode":true`, 1),
			"ignored",
		},
		{
			"of an unknown type",
			eventAbout("payment_method.attached", `{"id":"pm_1","object":"payment_method"}`, ""), "ignored",
		},
		{
			"of another shop",
			eventAbout("payment_intent.succeeded", intentOf("pi_other", "succeeded", `"kasse_service":"bakery"`), ""),
			"ignored",
		},
		{"an early fraud warning", eventAbout(
			"radar.early_fraud_warning.created",
			`{"id":"issfr_1","object":"radar.early_fraud_warning","payment_intent":"`+made.PaymentIntent+`"}`, "",
		), "ignored"},
		{"no object", `{"id":"evt_1","type":"payment_intent.succeeded","created":1,"livemode":false}`, "quarantined"},
		{
			"data is null",
			`{"id":"evt_1","type":"payment_intent.succeeded","created":1,"livemode":false,"data":null}`,
			"quarantined",
		},
		{
			"the mode is no mode",
			strings.Replace(eventAbout("payment_intent.succeeded", ours, ""), `"livemode":false`, `"livemode":"no"`, 1),
			"quarantined",
		},
		{"object is null", eventAbout("payment_intent.succeeded", "null", ""), "quarantined"},
		{
			"a deep one",
			eventAbout("payment_intent.succeeded", strings.Repeat(`{"a":`, 10_000)+"1"+strings.Repeat("}", 10_000), ""),
			"quarantined",
		},
		{"a refund of another shop", eventAbout(
			"refund.created",
			`{"id":"re_1","object":"refund","status":"succeeded","amount":1,"payment_intent":"pi_other"}`, "",
		), "unchanged"},
	} {
		w.checkOutcome(tt.name, tt.body, "application/json; charset=utf-8", tt.want)
		if tt.want == "ignored" && w.dump() != dump {
			t.Errorf("%s leaves something behind", tt.name)
		}
	}
	w.checkOutcome(
		"request is text", eventAbout("payment_intent.succeeded", ours, `,"request":"req_1"`), "application/json",
		"applied",
	)
}

// anomalies collects the anomalies that a service reports.
type anomalies struct {
	mu   sync.Mutex
	seen []service.Anomaly
}

func (o *anomalies) Anomaly(what service.Anomaly) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, what)
}

func (o *anomalies) WebhookHandled(string, service.Outcome, int64) {}
func (o *anomalies) StateChanged(payment.State, payment.State)     {}
func (o *anomalies) Reconciled(string)                             {}

func (o *anomalies) check(t *testing.T, want ...service.Anomaly) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.seen, want) {
		t.Errorf("counted %q, want %q", o.seen, want)
	}
}

// TestStatusDecides: an event's type and its object's status disagree.
func TestStatusDecides(t *testing.T) {
	odd := &anomalies{}
	w := newEnv(t, func(o *service.Options) { o.Observer = odd })
	made := w.create("shop-1")
	object := strings.Replace(
		intentOf(made.PaymentIntent, "processing", `"kasse_service":"kasse"`), `"amount_received":4999`,
		`"amount_received":0`, 1,
	)
	w.checkOutcome(
		"a success that is none", eventAbout("payment_intent.succeeded", object, ""), "application/json", "applied",
	)
	w.reach(made.PaymentIntent, "processing")
	odd.check(t, service.AnomalyStatus)
}

// TestForeignPaymentLeavesTheOrderUnchanged: a PaymentIntent of another program has our metadata. It is
// recorded, and its order is unchanged.
func TestForeignPaymentLeavesTheOrderUnchanged(t *testing.T) {
	odd := &anomalies{}
	w := newEnv(t, func(o *service.Options) { o.Observer = odd })
	w.deliverWebhooks()
	made := w.create("shop-1")
	claim := intentOf("pi_claims", "succeeded", `"kasse_service":"kasse","kasse_order_id":"shop-1","kasse_attempt":"1"`)
	w.checkOutcome("a claim", eventAbout("payment_intent.succeeded", claim, ""), "application/json", "applied")
	order := w.send(request{line: "GET /v1/orders/shop-1", token: fullKey})
	if !strings.Contains(
		order.body, `"payment_intent":"`+made.PaymentIntent+`"`,
	) || strings.Contains(order.body, "pi_claims") || !strings.Contains(order.body, `"state":"pending"`) {
		t.Errorf("the order is %s", order.body)
	}
	w.bring(made.PaymentIntent, "succeeded")
	if paid := w.reach(made.PaymentIntent, "paid"); !strings.Contains(paid.body, `"fulfillable":true`) {
		t.Errorf("the order's own payment is %s", paid.body)
	}
	if view := w.send(
		request{line: "GET /v1/payments/pi_claims", token: fullKey},
	); !strings.Contains(view.body, `"superseded":true`) || !strings.Contains(view.body, `"fulfillable":false`) {
		t.Errorf("the claim is %s", view.body)
	}
	odd.check(t, service.AnomalyForeign)
}

// TestForeignPaymentIsNotChanged: the routes that change the order's payment refuse one that only names the order, and
// Stripe is not called. A cancel would otherwise be 200, and the order would stay open.
func TestForeignPaymentIsNotChanged(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	for status, lines := range map[string][]string{
		"requires_payment_method": {"PATCH", "POST /customer-session", "POST /cancel"},
		"requires_capture":        {"POST /capture", "POST /cancel"},
		"canceled":                {"POST /cancel"},
	} {
		id := "pi_" + strings.ReplaceAll(status, "_", "")
		claim := intentOf(id, status, `"kasse_service":"kasse","kasse_order_id":"shop-1","kasse_attempt":"1"`)
		claim = strings.Replace(claim, `"amount_received":4999`, `"amount_capturable":4999,"customer":"cus_1"`, 1)
		w.checkOutcome(status, eventAbout("payment_intent.created", claim, ""), "application/json", "applied")
		calls := len(w.stripe.Requests())
		for _, line := range lines {
			method, path, _ := strings.Cut(line, " ")
			r := request{line: method + " /v1/payments/" + id + path, token: fullKey}
			if method == http.MethodPatch {
				r.header, r.body = map[string]string{"If-Match": "*"}, `{"amount":100}`
			}
			w.send(r).says(t, http.StatusConflict, "invalid_state")
		}
		for _, got := range w.stripe.Requests()[calls:] {
			if strings.HasPrefix(got.Endpoint, http.MethodPost) { // a worker may read
				t.Errorf("%s: Stripe got %s", status, got.Endpoint)
			}
		}
	}
	if order := w.send(request{line: "GET /v1/orders/shop-1", token: fullKey}); !strings.Contains(
		order.body, `"closed":false,"payment":{"payment_intent":"`+made.PaymentIntent+`"`,
	) {
		t.Errorf("the order is %s", order.body)
	}
}

// deliverPatiently delivers an event as Stripe does: again, as long as the answer is 503. On a busy machine a Redis may
// be slower than Kasse waits for it.
func (w *apiEnv) deliverPatiently(body string) (answer reply) {
	w.t.Helper()
	wait.UntilTrue(w.t, "Redis to answer in time", func() bool {
		answer = w.send(request{line: "POST /webhooks/stripe", body: body, header: signed(body)})
		return answer.status != http.StatusServiceUnavailable
	})
	return answer
}

// TestForeignEventsWriteNothing: one Stripe account may serve several systems.
func TestForeignEventsWriteNothing(t *testing.T) {
	w := newEnv(t)
	dump := w.dump()
	const connections = 64
	foreignEvents := rounds.Of(10*connections, 5_000, 20_000)
	var all sync.WaitGroup
	for n := range connections {
		all.Go(func() {
			for i := n; i < foreignEvents; i += connections {
				body := eventAbout(
					"payment_intent.succeeded", intentOf(fmt.Sprintf("pi_foreign%d", i), "succeeded", ""), "",
				)
				answer := w.deliverPatiently(body)
				if answer.status != http.StatusOK || !strings.Contains(answer.body, "ignored") {
					t.Errorf("%d %s", answer.status, answer.body)
					return
				}
			}
		})
	}
	all.Wait()
	if got := w.dump(); got != dump {
		t.Errorf("Redis was\n%s\nand is\n%s", dump, got)
	}
}

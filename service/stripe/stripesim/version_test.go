package stripesim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stripe/stripe-go/v79/webhook"

	"kasse/service/stripe/stripesim"
)

// rawReceiver is a webhook endpoint for any API version. It verifies events, and stores their bodies.
type rawReceiver struct {
	t      *testing.T
	mu     sync.Mutex
	bodies [][]byte
}

func (in *rawReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = webhook.ValidatePayloadIgnoringTolerance(body, r.Header.Get("Stripe-Signature"), hookSecret)
	}
	if err != nil {
		in.t.Errorf("delivery: %v", err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.bodies = append(in.bodies, body)
}

// startRaw is start without the checks that support only 2024-06-20: the endpoint has its own API version, or
// gets thin events.
func startRaw(t *testing.T, opts stripesim.Options, hook stripesim.Webhook) (*bench, *rawReceiver) {
	t.Helper()
	in := &rawReceiver{t: t}
	shop := httptest.NewServer(in)
	hook.URL, hook.Secret = shop.URL, hookSecret
	sim := stripesim.New(opts)
	sim.AddWebhook(hook)
	server := httptest.NewServer(sim)
	transport := &http.Transport{}
	t.Cleanup(func() {
		sim.Close()
		transport.CloseIdleConnections()
		server.Close()
		shop.Close()
	})
	return &bench{Server: sim, t: t, url: server.URL, api: sdk(server.URL, secretKey, transport)}, in
}

// received waits until every event is delivered, and returns those of a type, or all for "", oldest first.
func (in *rawReceiver) received(b *bench, kind string) []map[string]any {
	in.t.Helper()
	if err := b.Drain(in.t.Context()); err != nil {
		in.t.Fatal(err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []map[string]any
	for _, body := range in.bodies {
		var e map[string]any
		if err := json.Unmarshal(body, &e); err != nil {
			in.t.Fatal(err)
		}
		if kind == "" || e["type"] == kind {
			out = append(out, e)
		}
	}
	return out
}

// object returns the object of the only event of a type.
func (in *rawReceiver) object(b *bench, kind string) map[string]any {
	in.t.Helper()
	found := in.received(b, kind)
	if len(found) != 1 {
		in.t.Fatalf("%d events of the type %s", len(found), kind)
	}
	return found[0]["data"].(map[string]any)["object"].(map[string]any)
}

// makeAllEvents causes an event of every type that the simulator has.
func makeAllEvents(b *bench) {
	b.t.Helper()
	do := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	pi := b.pay("pm_card_riskLevelElevated")
	re := must(b.Refund(pi.ID, 500))(b.t)
	do(b.MoveRefund(re, "failed"))
	do(b.UpdateCharge(pi.ID, "https://pay.stripe.com/receipts/2"))
	must(b.Refund(pi.ID, 0))(b.t)
	disputed := b.pay("pm_card_visa")
	id := must(b.OpenDispute(disputed.ID, "", false))(b.t)
	for _, to := range []string{"under_review", "lost", "appeal_needs_response", "appeal_under_review", "won"} {
		do(b.MoveDispute(id, to))
	}
	must(b.PreventDispute(b.pay("pm_card_visa").ID, "", true))(b.t)
	do(b.Decline(b.open().ID, "payment_method_restricted", ""))
	do(b.PayWith(b.open().ID, "pm_sofort"))
	for _, to := range []string{"processing", "requires_capture", "canceled", "requires_action"} {
		do(b.SetStatus(b.open().ID, to))
	}
	for _, action := range []string{
		"multibanco_display_details", "display_bank_transfer_instructions",
		"verify_with_microdeposits",
	} {
		waiting := b.open()
		do(b.StartAction(waiting.ID, action, 0))
		do(b.Settle(waiting.ID, true))
	}
	cu := b.customer()
	must(b.SaveMethod(cu.ID, "pm_sepaDebit", "always"))(b.t)
	b.SettleAll()
}

// TestNewestEvents: events have the form of the newest API version if the account or the endpoint has it.
func TestNewestEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		opts stripesim.Options
		hook stripesim.Webhook
	}{
		"account":  {opts: stripesim.Options{APIVersion: newest}},
		"endpoint": {hook: stripesim.Webhook{APIVersion: newest}},
	} {
		t.Run(name, func(t *testing.T) {
			b, in := startRaw(t, tt.opts, tt.hook)
			makeAllEvents(b)
			var types []string
			for _, e := range in.received(b, "") {
				expect(t, "api_version", e["api_version"], any(newest))
				checkNewest(t, must(json.Marshal(e))(t))
				types = append(types, e["type"].(string))
			}
			slices.Sort(types)
			for _, kind := range []string{
				"charge.dispute.closed", "charge.dispute.created", "charge.dispute.funds_reinstated",
				"charge.dispute.funds_withdrawn", "charge.dispute.updated", "charge.failed", "charge.pending",
				"charge.refund.updated", "charge.refunded", "charge.succeeded", "charge.updated",
				"payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.created",
				"payment_intent.payment_failed", "payment_intent.processing", "payment_intent.requires_action",
				"payment_intent.succeeded", "payment_method.attached", "refund.created", "refund.failed",
				"refund.updated", "review.closed", "review.opened",
			} {
				if !slices.Contains(types, kind) {
					t.Errorf("there is no event of type %s", kind)
				}
			}
		})
	}
}

// TestNewestAnswers: a response has the form of the requested version.
func TestNewestAnswers(t *testing.T) {
	b := start(t, stripesim.Options{})
	pi := b.pay("pm_card_riskLevelElevated")
	re := must(b.Refund(pi.ID, 500))(t)
	id := must(b.OpenDispute(pi.ID, "", true))(t)
	cu := b.customer()
	request := func(method, path, form string) []byte {
		t.Helper()
		req := must(http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(form)))(t)
		req.Header.Set("Authorization", "Bearer "+secretKey)
		req.Header.Set("Stripe-Version", newest)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(t)
		defer func() { _ = res.Body.Close() }()
		expect(t, "Stripe-Version", res.Header.Get("Stripe-Version"), newest)
		return must(io.ReadAll(res.Body))(t)
	}
	for _, path := range []string{
		"/v1/payment_intents/" + pi.ID,
		"/v1/payment_intents/" + pi.ID + "?expand[]=latest_charge.refunds&expand[]=review&expand[]=payment_method",
		"/v1/payment_intents", "/v1/refunds/" + re, "/v1/refunds/" + re + "?expand[]=charge", "/v1/disputes/" + id,
		"/v1/reviews", "/v1/customers/" + cu.ID, "/v1/events",
	} {
		checkNewest(t, request(http.MethodGet, path, ""))
	}
	session := request(http.MethodPost, "/v1/customer_sessions",
		"customer="+cu.ID+"&components[mobile_payment_element][enabled]=true"+
			"&components[mobile_payment_element][features][payment_method_save_allow_redisplay_override]=limited")
	checkNewest(t, session)
	if !bytes.Contains(session, []byte(`"payment_method_save_allow_redisplay_override": "limited"`)) {
		t.Errorf("the override is not shown: %s", session)
	}
	refused := request(http.MethodPost, "/v1/payment_intents/"+pi.ID+"/confirm", "")
	checkNewest(t, refused)
}

// TestStatusesBefore2019: an account from before 2019-02-11 has other names for two statuses.
func TestStatusesBefore2019(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{APIVersion: "2018-11-08"}, stripesim.Webhook{})
	pi := b.open()
	if err := b.SetStatus(pi.ID, "requires_action"); err != nil {
		t.Fatal(err)
	}
	expect(t, "status", in.object(b, "payment_intent.created")["status"], any("requires_source"))
	waiting := in.object(b, "payment_intent.requires_action")
	expect(t, "status", waiting["status"], any("requires_source_action"))
	if waiting["next_source_action"] == nil || waiting["charges"] == nil {
		t.Errorf("next_source_action or charges is missing: %v", waiting)
	}
	if err := b.Authenticate(pi.ID, false); err != nil {
		t.Fatal(err)
	}
	expect(t, "status", in.object(b, "payment_intent.payment_failed")["status"], any("requires_source"))
	expect(t, "status of a read", string(b.get(pi.ID).Status), "requires_payment_method")
}

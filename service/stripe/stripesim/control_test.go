package stripesim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"kasse/service/stripe/stripesim"
)

type m = map[string]any

// controller returns a function that calls a control route over HTTP and checks the status.
func (b *bench) controller() func(want int, method, path string, body any) map[string]any {
	control := httptest.NewServer(b.Control())
	b.t.Cleanup(control.Close)
	return func(want int, method, path string, body any) map[string]any {
		b.t.Helper()
		raw := must(json.Marshal(body))(b.t)
		req := must(http.NewRequestWithContext(b.t.Context(), method, control.URL+path, bytes.NewReader(raw)))(b.t)
		res := must((&http.Transport{DisableKeepAlives: true}).RoundTrip(req))(b.t)
		defer func() { _ = res.Body.Close() }()
		expect(b.t, "http status of "+path, res.StatusCode, want)
		var out map[string]any
		_ = json.NewDecoder(res.Body).Decode(&out)
		return out
	}
}

// TestControlSurface: the control routes change payments, faults, the clock and webhooks.
func TestControlSurface(t *testing.T) {
	b := start(t, stripesim.Options{})
	call := b.controller()
	if n := len(call(200, "GET", "/", nil)["routes"].([]any)); n < 20 {
		t.Errorf("GET / lists %d routes", n)
	}
	cu, pi := b.customer(), b.open()
	call(200, "POST", "/customers/"+cu.ID+"/payment_methods", m{"payment_method": "pm_card_visa"})
	call(200, "POST", "/payments/"+pi.ID+"/status", m{"status": "requires_action"})
	call(200, "POST", "/payments/"+pi.ID+"/authenticate", m{"fail": true})
	call(200, "POST", "/payments/"+pi.ID+"/status", m{"status": "processing"})
	call(200, "POST", "/payments/"+pi.ID+"/settle", nil)
	re := call(200, "POST", "/payments/"+pi.ID+"/refund", m{"amount": 500})
	call(200, "POST", "/refunds/"+re["id"].(string), m{"status": "failed"})
	dp := call(200, "POST", "/payments/"+pi.ID+"/dispute", m{"reason": "fraudulent"})
	call(200, "POST", "/disputes/"+dp["id"].(string), m{"status": "lost"})
	call(400, "POST", "/payments/"+pi.ID+"/status", m{"status": "canceled"})
	call(404, "POST", "/payments/pi_nothing/status", m{"status": "canceled"})
	call(400, "POST", "/faults", m{"kind": "slow", "unknown": "1s"})
	call(200, "POST", "/faults", m{"kind": "slow", "delay": "1ms", "endpoint": "GET /v1/account"})
	call(200, "POST", "/latency", m{"delay": "1ms"})
	call(200, "POST", "/rates", m{"duplicate": 0.5})
	call(200, "POST", "/clock", m{"advance": "24h"})
	call(200, "POST", "/settle", nil)
	call(200, "POST", "/drain", m{"timeout": "5s"})
	call(200, "POST", "/webhooks", m{"url": "http://127.0.0.1:1/", "secret": "whsec_x"})
	if count := call(200, "GET", "/stats", nil)["objects"].(m)["payment_intents"]; count != 1.0 {
		t.Errorf("stats has %v payments, want 1", count)
	}
	call(200, "DELETE", "/faults", nil)
	call(200, "DELETE", "/webhooks", nil)
	call(200, "POST", "/reset", nil)
	status, _ := b.read("/v1/payment_intents/" + pi.ID)
	expect(t, "http status after a reset", status, http.StatusNotFound)
}

// TestControlOfNewStatuses: routes set statuses that Stripe has added since 2024-06-20, and statuses that it does not
// have.
func TestControlOfNewStatuses(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	call := b.controller()
	post := func(want int, path string, body any) map[string]any {
		t.Helper()
		return call(want, "POST", path, body)
	}
	post(400, "/api_version", m{"version": "newest"})
	post(200, "/api_version", m{"version": newest})
	post(200, "/event_origin", m{"context": "own"})
	pi := b.open()
	created := in.received(b, "payment_intent.created")[0]
	expect(t, "api_version", created["api_version"], any(newest))
	expect(t, "context", created["context"], any(must(b.api.Accounts.Get())(t).ID))

	post(200, "/payments/"+pi.ID+"/decline", m{"code": "payment_method_restricted"})
	post(200, "/payments/"+pi.ID+"/action", m{"type": "use_stripe_sdk"})
	post(200, "/payments/"+pi.ID+"/authenticate", m{"fail": true, "code": "authentication_failure"})
	expect(t, "code", string(b.get(pi.ID).LastPaymentError.Code), "authentication_failure")
	post(200, "/payments/"+pi.ID+"/action", m{"type": "multibanco_display_details", "expires_in": "72h"})
	post(400, "/payments/"+pi.ID+"/action", m{"type": "oxxo_display_details"})
	post(200, "/payments/"+pi.ID+"/settle", m{"fail": true})
	post(200, "/payments/"+pi.ID+"/pay", m{"payment_method": "pm_card_visa"})
	post(400, "/payments/"+pi.ID+"/pay", m{"payment_method": "pm_card_visa"})
	post(200, "/payments/"+pi.ID+"/charge", m{"receipt_url": "https://pay.stripe.com/receipts/2"})

	prv := post(200, "/payments/"+pi.ID+"/review", m{"reason": "rule"})["id"].(string)
	post(400, "/reviews/"+prv, m{"status": "forgotten"})
	post(200, "/reviews/"+prv, m{"status": "approved"})
	post(200, "/expansion", m{"deny": []string{"review"}})
	status, _ := b.read(intents + "/" + pi.ID + "?expand[]=review")
	expect(t, "http status", status, http.StatusForbidden)
}

// TestControlOfMoneyAndEvents: routes change refunds and disputes, and send single events.
func TestControlOfMoneyAndEvents(t *testing.T) {
	b, in := startRaw(t, stripesim.Options{}, stripesim.Webhook{})
	call := b.controller()
	post := func(want int, path string, body any) map[string]any {
		t.Helper()
		return call(want, "POST", path, body)
	}
	pi := b.pay("pm_card_visa")
	post(200, "/next_refund", m{"refuse": "balance_insufficient"})
	post(400, "/payments/"+pi.ID+"/refund", m{"amount": 100})
	post(200, "/next_refund", m{"status": nil})
	re := post(200, "/payments/"+pi.ID+"/refund", m{"amount": 100})["id"].(string)
	post(200, "/refunds/"+re, m{"status": "in_transit", "force": true})
	post(404, "/refunds/re_nothing", m{"status": "in_transit", "force": true})

	post(200, "/payments/"+pi.ID+"/dispute", m{"prevented": "block"})
	dp := post(200, "/payments/"+pi.ID+"/dispute", m{"reason": "fraudulent"})["id"].(string)
	for _, to := range []string{"lost", "appeal_needs_response", "appeal_under_review"} {
		post(200, "/disputes/"+dp, m{"status": to})
	}
	post(400, "/disputes/"+dp, m{"status": "unknown_status"})
	post(200, "/disputes/"+dp, m{"status": "unknown_status", "force": true})
	thin := post(200, "/objects/"+dp+"/event", m{"type": "charge.dispute.updated", "thin": true})["id"]
	sent := post(200, "/objects/"+pi.ID+"/event",
		m{"type": "payment_intent.succeeded", "set": m{"status": "unknown_status"}})["id"]
	var ids []any
	for _, e := range in.received(b, "") {
		ids = append(ids, e["id"])
	}
	if !slices.Contains(ids, thin) || !slices.Contains(ids, sent) {
		t.Errorf("%v and %v are not among the events that arrived", thin, sent)
	}
	post(404, "/objects/pi_nothing/event", m{"type": "payment_intent.succeeded"})
	hook := m{"url": "http://127.0.0.1:1/", "secret": "whsec_x", "thin": true, "api_version": "2018-11-08"}
	post(200, "/webhooks", hook)
}

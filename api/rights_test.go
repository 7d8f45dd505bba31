package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kasse/api"
	"kasse/test/wait"
)

// restart serves the environment's API with other limits.
func (w *apiEnv) restart(limits api.Limits) {
	w.t.Helper()
	limits.Now = func() time.Time { return w.now }
	o := w.options(discard())
	o.Limits = limits
	w.api = httptest.NewServer(api.New(w.service, o))
	w.t.Cleanup(w.api.Close)
}

// queued counts the payments that wait to be restored.
func (w *apiEnv) queued(queue string) (count int64) {
	w.t.Helper()
	keys, err := w.keys.Keys(w.t.Context(), "kasse:{p*}:"+queue).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		count += w.keys.ZCard(w.t.Context(), key).Val()
	}
	return count
}

// TestRefusedAddressQueuesNothing: guesses count for their address first. Over the limit none is queued, and a
// token has places of its own.
func TestRefusedAddressQueuesNothing(t *testing.T) {
	w := newEnv(t)
	w.restart(api.Limits{Address: api.Limit{Count: 3, Per: time.Hour}})
	for i := range 10 {
		id, want := fmt.Sprintf("pi_guess%d", i), http.StatusNotFound
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		if answer := w.send(
			request{line: "GET /v1/payments/" + id, token: id + "_secret_guess"},
		); answer.status != want {
			t.Errorf("guess %d: %d %s", i, answer.status, answer.body)
		}
	}
	if got := w.queued("restore"); got != 3 {
		t.Errorf("%d wait, want 3", got)
	}
	w.send(request{line: "GET /v1/payments/pi_honest", token: w.token(nil)}).says(t, http.StatusNotFound, "not_found")
	if got := w.queued("restore:token"); got != 1 {
		t.Errorf("%d of tokens wait, want 1", got)
	}
}

// TestTokensAtStripeAreLimited: creates and sessions of one order share a limit. Reads do not use it, and a
// service key is not limited by it.
func TestTokensAtStripeAreLimited(t *testing.T) {
	w := newEnv(t)
	w.restart(api.Limits{Stripe: api.Limit{Count: 3, Per: time.Hour}})
	token := w.token(claims{"customer": w.customer()})
	var made opened
	w.send(request{line: createLine, token: token}).into(t, http.StatusCreated, &made)
	session := request{line: "POST /v1/payments/" + made.PaymentIntent + "/customer-session", token: token}
	w.send(request{line: createLine, token: token}).into(t, http.StatusOK, &made)
	w.send(session).into(t, http.StatusCreated, &opened{})
	calls := len(w.stripe.Requests())
	for _, r := range []request{{line: createLine, token: token}, session} {
		refused := w.send(r).says(t, http.StatusTooManyRequests, "rate_limited")
		if refused.header.Get("Retry-After") == "" || refused.header.Get(
			"RateLimit-Policy",
		) != `"frontend";q=3;w=3600` {
			t.Errorf("headers are %v", refused.header)
		}
	}
	if got := len(w.stripe.Requests()); got != calls {
		t.Errorf("Stripe was asked %d times more", got-calls)
	}
	w.send(request{line: "GET /v1/payments/" + made.PaymentIntent, token: token}).into(t, http.StatusOK, &made)
	w.send(request{line: session.line, token: fullKey}).into(t, http.StatusCreated, &opened{})
	w.send(
		request{line: createLine, token: w.token(claims{"order_id": "shop-2"})},
	).into(t, http.StatusCreated, &opened{})
}

// TestTokensOfAllOrdersLeaveHalfOfStripe: many orders together make no more than the ceiling.
func TestTokensOfAllOrdersLeaveHalfOfStripe(t *testing.T) {
	w := newEnv(t)
	w.restart(api.Limits{Stripe: api.Limit{Count: 3, Per: time.Hour}}) // its clock stands still
	statuses := map[int]int{}
	for i := range 15 {
		statuses[w.send(
			request{line: createLine, token: w.token(claims{"order_id": fmt.Sprintf("shop-%d", i)})},
		).status]++
	}
	if statuses[http.StatusCreated] != 12 || statuses[http.StatusTooManyRequests] != 3 {
		t.Errorf("answers are %v", statuses)
	}
}

// TestEventOfTheFutureIsQuarantined: it changes nothing, and the payment that it names is read.
func TestEventOfTheFutureIsQuarantined(t *testing.T) {
	w := newEnv(t)
	made := w.create("shop-1")
	before := w.send(request{line: "GET /v1/payments/" + made.PaymentIntent, token: fullKey})
	reads := w.stripe.Count(readIntent)
	event := func(id string, created time.Time) string {
		return fmt.Sprintf(`{"id":%q,"object":"event","type":"payment_intent.succeeded","created":%d,`+
			`"livemode":false,"data":{"object":`+
			`{"id":%q,"object":"payment_intent","status":"succeeded","amount":4999,"amount_received":4999,`+
			`"currency":"eur","created":%d,`+
			`"livemode":false,"capture_method":"automatic_async","metadata":{"kasse_service":"kasse",`+
			`"kasse_order_id":"shop-1","kasse_attempt":"1"}}}}`,
			id, created.Unix(), made.PaymentIntent, time.Now().Unix())
	}
	for i, ahead := range []time.Duration{310 * time.Second, 260 * 365 * 24 * time.Hour} {
		body := event(fmt.Sprintf("evt_future%d", i), time.Now().Add(ahead))
		answer := w.send(request{line: "POST /webhooks/stripe", body: body, header: signed(body)})
		if answer.status != http.StatusOK || !strings.Contains(answer.body, `"outcome":"quarantined"`) {
			t.Errorf("answer is %d %s", answer.status, answer.body)
		}
	}
	for deadline := time.Now().Add(wait.Patience); w.stripe.Count(readIntent) == reads; time.Sleep(
		10 * time.Millisecond,
	) {
		if time.Now().After(deadline) {
			t.Fatal("Stripe was not asked")
		}
	}
	if after := w.send(
		request{line: "GET /v1/payments/" + made.PaymentIntent, token: fullKey},
	); after.body != before.body {
		t.Errorf("payment is %s", after.body)
	}
	if got := w.keys.XLen(t.Context(), "kasse:{p0}:quarantine").Val(); got != 2 {
		t.Errorf("%d are in quarantine", got)
	}
	body := event("evt_near", time.Now().Add(200*time.Second))
	if answer := w.send(
		request{line: "POST /webhooks/stripe", body: body, header: signed(body)},
	); !strings.Contains(answer.body, `"outcome":"applied"`) {
		t.Errorf("an event within the tolerance: %s", answer.body)
	}
}

const readIntent = "GET /v1/payment_intents/{intent}"

// TestForgedSecretBringsBackNoNews: a payment that Redis has lost is restored after a question with a forged
// secret. The feed marks it as restored, and the caller learns nothing.
func TestForgedSecretBringsBackNoNews(t *testing.T) {
	w := newEnv(t)
	w.deliverWebhooks()
	made := w.create("shop-1")
	w.bring(made.PaymentIntent, "succeeded")
	w.reach(made.PaymentIntent, "paid")
	before := w.feed()
	w.loseOrders()
	line := "GET /v1/payments/" + made.PaymentIntent
	forged := request{line: line, token: made.PaymentIntent + "_secret_forged"}
	missing := w.send(forged).says(t, http.StatusNotFound, "not_found")
	if got := w.queued("restore"); got != 1 {
		t.Fatalf("%d wait to be restored", got)
	}
	if answer := w.send(
		request{line: line, token: fullKey},
	); answer.status != http.StatusOK { // the read of the queue, sooner
		t.Fatalf("restored: %d %s", answer.status, answer.body)
	}
	restored := w.feed()[len(before):]
	if len(restored) == 0 || slices.ContainsFunc(restored, func(e fedEvent) bool { return !e.Restored }) {
		t.Errorf("the feed says %+v", restored)
	}
	if again := w.send(forged); requestIDs.ReplaceAllString(again.body, "") != requestIDs.ReplaceAllString(
		missing.body, "",
	) {
		t.Errorf("the forger learns %s", again.body)
	}
}

type fedEvent struct {
	ID, Type string
	Restored bool
}

func (w *apiEnv) feed() []fedEvent {
	w.t.Helper()
	var page struct{ Events []fedEvent }
	w.send(request{line: "GET /v1/events?limit=500", token: fullKey}).into(w.t, http.StatusOK, &page)
	return page.Events
}

package process_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

const readRoute = "GET /v1/payment_intents/{intent}"

// forge delivers a success as an attacker with the webhook secret can.
func (p *process) forge(v view, event string) {
	p.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":"payment_intent.succeeded","created":%d,"livemode":false,`+
		`"data":{"object":`+
		`{"id":%q,"object":"payment_intent","status":"succeeded","amount":4200,"amount_received":4200,`+
		`"currency":"eur","created":%d,`+
		`"livemode":false,"capture_method":"automatic_async","metadata":{"kasse_service":"kasse",`+
		`"kasse_order_id":%q,"kasse_attempt":"1"}}}}`,
		event, time.Now().Unix(), v.PaymentIntent, time.Now().Unix(), v.OrderID)
	a, err := p.deliver(body, hookSecret)
	if err != nil || a.status != http.StatusOK || !bytes.Contains(a.body, []byte("applied")) {
		p.t.Fatalf("forged: %v, %d %s", err, a.status, a.body)
	}
}

// awaitHeld polls until a payment is held as unverified. Meanwhile the time passes for which a process has hidden
// its read.
func (w *processEnv) awaitHeld(p *process, v view) {
	w.t.Helper()
	client := w.openRedis()
	wait.Until(w.t, v.PaymentIntent+" held", func() error {
		for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:reads").Val() {
			for _, id := range client.ZRange(w.t.Context(), key, 0, -1).Val() {
				w.no(client.ZAddXX(w.t.Context(), key, redis.Z{Member: id}).Err())
			}
		}
		a, err := p.ask(backendKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
		if err != nil {
			return err
		}
		return yet(bytes.Contains(a.body, []byte(`"fulfillable":false`)) && bytes.Contains(
			a.body, []byte(`"hold_reason":"unverified"`),
		))
	})
}

// TestForgeryOutlivesACrash: a process dies between a forged success and its read at Stripe. The next process reads
// it. A command that verifies beside it names the payment, and fails while Stripe does not answer.
func TestForgeryOutlivesACrash(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	victim := w.serve(1, nil)[0]
	opened := victim.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("forged", w.customer()),
	).view(t)
	w.no(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	victim.forge(opened, "evt_forged")
	victim.awaitState(opened, "paid")
	victim.kill()
	w.sim.ClearFaults()
	second := w.serve(1, map[string]string{"SUCCESS_VERIFICATION": "before"})[0]
	w.awaitHeld(second, opened)

	said := w.runs("reconcile", "-verify", "-since", "1h")
	if !strings.Contains(
		said, "NOT PAID at Stripe: "+opened.PaymentIntent+" of order forged",
	) || !strings.Contains(said, "1 successes verified") {
		t.Errorf("it said %q", said)
	}
	w.no(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	command := w.command(map[string]string{"STRIPE_TIMEOUT": "1s"}, "reconcile", "-verify")
	expect(t, "exit code while Stripe is away", command.command.ProcessState.ExitCode(), 1)
	if said := command.stderr.String(); !strings.Contains(said, opened.PaymentIntent+" could not be verified") {
		t.Errorf("it said %q", said)
	}
}

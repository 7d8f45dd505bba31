package process_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// readRoute is the simulator's route of a read of one payment.
const readRoute = "GET /v1/payment_intents/{intent}"

// forge delivers a forged success, as an attacker with the webhook secret can do.
func (p *process) forge(v view, event string) {
	p.t.Helper()
	body := fmt.Sprintf(`{"id":%q,"object":"event","type":"payment_intent.succeeded","created":%d,"livemode":false,`+
		`"data":{"object":{"id":%q,"object":"payment_intent","status":"succeeded","amount":4200,`+
		`"amount_received":4200,"currency":"eur","created":%d,"livemode":false,`+
		`"capture_method":"automatic_async","metadata":{"kasse_service":"kasse","kasse_order_id":%q,`+
		`"kasse_attempt":"1"}}}}`,
		event, time.Now().Unix(), v.PaymentIntent, time.Now().Unix(), v.OrderID)
	a, err := p.deliver(body, hookSecret)
	if err != nil || a.status != http.StatusOK || !bytes.Contains(a.body, []byte("applied")) {
		p.t.Fatalf("a forged event: got %d %s (%v), want 200 and applied", a.status, a.body, err)
	}
}

// awaitHeld polls until a payment is held as unverified. It makes the queued reads due, also those
// that a killed process has claimed.
func (w *processEnv) awaitHeld(p *process, v view) {
	w.t.Helper()
	client := w.openRedis()
	wait.Until(w.t, v.PaymentIntent+" as held", func() error {
		for _, key := range client.Keys(w.t.Context(), "kasse:{p*}:reads").Val() {
			for _, id := range client.ZRange(w.t.Context(), key, 0, -1).Val() {
				w.noError(client.ZAddXX(w.t.Context(), key, redis.Z{Member: id}).Err())
			}
		}
		a, err := p.request(backendKey, http.MethodGet, "/v1/payments/"+v.PaymentIntent, "")
		if err != nil {
			return err
		}
		held := bytes.Contains(a.body, []byte(`"fulfillable":false`)) &&
			bytes.Contains(a.body, []byte(`"hold_reason":"unverified"`))
		if !held {
			return fmt.Errorf("the payment is %s", a.body)
		}
		return nil
	})
}

// TestForgedSuccessIsReadAfterCrash: a process is killed between a forged success and the read of
// the payment at Stripe. The next process reads it. kasse reconcile -verify reports the payment,
// and fails if Stripe does not answer.
func TestForgedSuccessIsReadAfterCrash(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	victim := w.serve(1, nil)[0]
	opened := victim.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("forged", w.customer()),
	).view(t)
	w.noError(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	victim.forge(opened, "evt_forged")
	victim.awaitState(opened, "paid")
	victim.kill()
	w.sim.ClearFaults()
	second := w.serve(1, map[string]string{"SUCCESS_VERIFICATION": "before"})[0]
	w.awaitHeld(second, opened)

	output := w.runExclusive("reconcile", "-verify", "-since", "1h")
	expectContains(
		t, output, "NOT PAID at Stripe: "+opened.PaymentIntent+" of order forged", "1 successes verified",
	)
	w.noError(w.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.Dropped, Times: -1}))
	command := w.command(map[string]string{"STRIPE_TIMEOUT": "1s"}, "reconcile", "-verify")
	expect(t, "exit code while Stripe does not answer", command.command.ProcessState.ExitCode(), 1)
	expectContains(t, command.stderr.String(), opened.PaymentIntent+" could not be verified")
}

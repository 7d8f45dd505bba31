package process_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// shows runs kasse show, and returns all that it printed. Nothing of a person and no secret is in it, and Redis is as
// it was before.
func (s *endpointStand) shows(secrets []string, code int, args ...string) string {
	s.t.Helper()
	ctx := s.t.Context()
	changes := func() string {
		for line := range strings.Lines(s.client.Info(ctx, "persistence").Val()) {
			if strings.HasPrefix(line, "rdb_changes_since_last_save:") {
				return line
			}
		}
		s.t.Fatal("Redis does not count its changes")
		return ""
	}
	before, counted := storetest.DumpAll(ctx, s.client), changes()
	p := s.command(s.settings, append([]string{"show"}, args...)...)
	text := p.stdout.String() + p.stderr.String()
	expect(
		s.t, fmt.Sprintf("exit code of show %v, which printed %s", args, text), p.command.ProcessState.ExitCode(), code,
	)
	expect(s.t, "Redis's count of changes", changes(), counted)
	for key, content := range storetest.DumpAll(ctx, s.client) { // others may have expired
		expect(s.t, key+" after kasse show", content, before[key])
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.t.Errorf("show %v prints %q:\n%s", args, secret, text)
		}
	}
	return text
}

// shownJSON is what the test reads of the JSON, by the names that docs/show.md gives.
type shownJSON struct {
	OrderID  string  `json:"order_id"`
	Winner   *string `json:"winner"`
	Attempts []struct {
		PaymentIntent  string `json:"payment_intent"`
		State          string `json:"state"`
		FailedAttempts int    `json:"failed_attempts"`
		Personal       struct{ Metadata, Receipt bool }
	} `json:"attempts"`
	Timeline []struct{ Kind, To string } `json:"timeline"`
	Events   []struct {
		Type       string
		Deliveries []struct {
			Endpoint, State string
			DueAt           *string `json:"due_at"`
			Tries           []struct {
				Try    int
				Status *int
				Reason *string
			}
		}
	}
	Stripe *struct {
		Status      string
		Differences []struct{ Field, Redis, Stripe string }
	}
}

// showStand is an environment whose order-1 has a decline, a success, a refund, a dispute and a review. An
// endpoint has received a part of its events.
type showStand struct {
	*endpointStand
	view              view
	customer, dispute string
	secrets           []string // that may not be shown
}

// TestShowCommand: an order as a page for a person and as JSON. Then Stripe knows more than Redis, an order is unknown,
// and a record is corrupt.
func TestShowCommand(t *testing.T) {
	t.Parallel()
	s := &showStand{endpointStand: newEndpointStand(t, "")}
	s.opens()
	s.paysAndReturns()
	s.server.terminate() // it writes
	expect(t, "exit code of the server", s.server.exitCode(), 0)

	text := s.shows(s.secrets, 0, "order-1")
	s.has(text, "Order order-1", "4200 eur, customer "+s.customer,
		s.view.PaymentIntent+"  disputed (Stripe: succeeded)",
		"held           refunded", "failures       1", "metadata present", "receipt present", "state pending → failed",
		"cause payment_intent.succeeded evt_", "refund, re_", ": succeeded, 700", "dispute, dp_", "review, prv_",
		"order.paid", "order.partially_refunded", "try 1", "answered 200", "answered 502",
		"waits for another try, due ")
	expect(t, "the same by its payment", s.shows(s.secrets, 0, s.view.PaymentIntent), text)
	s.has(s.shows(s.secrets, 0, s.customer), "Customer "+s.customer,
		"order-1  "+s.view.PaymentIntent+"  disputed  4200 eur")
	s.checkJSON()
	s.showsWhatIsWrong(s.view, s.dispute, s.secrets)
}

// opens creates the payment, with personal data that may not be shown.
func (s *showStand) opens() {
	s.t.Helper()
	s.customer = s.endpointStand.customer()
	body := fmt.Sprintf(`{"order_id":"order-1","amount":4200,"currency":"eur","customer":%q,`+
		`"metadata":{"name":"Lovelace"},"receipt_email":"augusta@example.com","description":"Babbage"}`, s.customer)
	s.view = s.server.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(s.t)
	hash := sha256.Sum256([]byte(s.view.ClientSecret))
	s.secrets = []string{
		s.view.ClientSecret, hex.EncodeToString(hash[:]), "Lovelace", "augusta", "Babbage", "pay.stripe.com", "hunter2",
		"4242", stripeKey, backendKey,
	}
}

// paysAndReturns has the payment declined, paid, refunded in part, reviewed and disputed. The endpoint answers 502 from
// the refund on.
func (s *showStand) paysAndReturns() {
	s.t.Helper()
	s.pay(s.view, "pm_card_chargeDeclined")
	s.server.awaitState(s.view, "failed")
	s.pay(s.view, "pm_card_visa")
	s.server.awaitState(s.view, "paid")
	wait.Until(s.t, "order.paid", func() error { return yet(len(s.ids()) == 2) })
	awaitIdle(s.processEnv, s.settings)
	s.down.Store(true)
	_, err := s.sim.Refund(s.view.PaymentIntent, 700)
	s.no(err)
	s.server.awaitState(s.view, "partially_refunded")
	_, err = s.sim.OpenReview(s.view.PaymentIntent, "rule")
	s.no(err)
	s.dispute, err = s.sim.OpenDispute(s.view.PaymentIntent, "fraudulent", false)
	s.no(err)
	s.server.awaitState(s.view, "disputed")
	s.no(s.sim.Drain(s.t.Context()))
	wait.Until(s.t, "the first failure", func() error {
		return yet(strings.Contains(s.events(0, "log"), "answered 502"))
	})
}

// checkJSON looks at the order as programs see it, beside a read of Stripe.
func (s *showStand) checkJSON() {
	t := s.t
	t.Helper()
	var shown shownJSON
	s.no(json.Unmarshal([]byte(s.shows(s.secrets, 0, "order-1", "-json", "-stripe")), &shown))
	if len(shown.Attempts) != 1 || shown.Attempts[0].State != "disputed" || shown.Attempts[0].FailedAttempts != 1 ||
		!shown.Attempts[0].Personal.Metadata || shown.Winner == nil || *shown.Winner != s.view.PaymentIntent {
		t.Errorf("got %+v", shown)
	}
	kinds := map[string]int{}
	for _, step := range shown.Timeline {
		kinds[step.Kind]++
	}
	if kinds["refund"] != 1 || kinds["dispute"] == 0 || kinds["review"] != 1 || kinds["state"] < 4 {
		t.Errorf("the timeline has %v", kinds)
	}
	states := map[string]string{}
	for _, e := range shown.Events {
		states[e.Type] = e.Deliveries[0].State
	}
	expect(t, "order.paid is", states["order.paid"], "delivered")
	expect(t, "order.partially_refunded is", states["order.partially_refunded"], "waits for another try")
	if shown.Stripe == nil || shown.Stripe.Status != "succeeded" || len(shown.Stripe.Differences) > 0 {
		t.Errorf("Stripe differs: %+v", shown.Stripe)
	}
}

// showsWhatIsWrong: Stripe knows more, an id is unknown, the index is off, a record is corrupt.
func (s *endpointStand) showsWhatIsWrong(v view, dispute string, secrets []string) {
	s.t.Helper()
	s.no(s.sim.MoveDispute(dispute, "won")) // no server receives it
	s.has(s.shows(secrets, 0, "-stripe", v.PaymentIntent),
		"dispute "+dispute+" Redis: needs_response, 4200; Stripe: won, 4200")
	s.no(s.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.ServerError, Times: -1}))
	s.has(s.shows(secrets, 1, "-stripe", v.PaymentIntent), "Order order-1", "-stripe: ")
	s.sim.ClearFaults()
	for _, id := range []string{"order-9", "pi_unknown", "cus_unknown"} {
		s.has(s.shows(secrets, 1, id), id)
	}
	s.has(s.shows(secrets, 2, "what?"), "this is not the id")
	s.has(s.shows(secrets, 2, v.ClientSecret), "this is a client secret")
	s.settings["ORDER_INDEX"] = "false"
	s.has(s.shows(secrets, 1, "cus_unknown"), "ORDER_INDEX is false")
	for _, key := range s.client.Keys(s.t.Context(), "kasse:{p*}:order:order-1").Val() {
		stream := strings.Replace(key, "order:order-1", "events", 1)
		broken := &redis.XAddArgs{Stream: stream, Values: []string{"data", "{"}}
		entry, err := s.client.XAdd(s.t.Context(), broken).Result()
		s.no(err)
		s.has(s.shows(secrets, 1, "order-1"), "the entry "+entry+" of "+stream+" cannot be read")
		s.no(s.client.XDel(s.t.Context(), stream, entry).Err())
		s.no(s.client.HSet(s.t.Context(), key, "order", "7-abc\n\x01\xff\xff").Err())
		s.has(s.shows(secrets, 1, "order-1"), "the stored record of order-1 cannot be read: "+key+": ", "kasse rebuild")
		s.has(s.shows(secrets, 1, v.PaymentIntent), "cannot be read: "+key+": ")
		s.no(s.client.Del(s.t.Context(), key).Err()) // as the message advises
		s.commandAs(s.settings, "rebuild")
		s.has(s.shows(secrets, 0, v.PaymentIntent), "Order order-1", "refund, re_", "dispute, dp_")
	}
}

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

// show runs kasse show, and returns its output. It fails the test if the output contains one of the
// secrets, or if the command changes Redis.
func (s *endpointTest) show(secrets []string, code int, args ...string) string {
	s.t.Helper()
	ctx := s.t.Context()
	changes := func() string {
		s.t.Helper()
		for line := range strings.Lines(s.client.Info(ctx, "persistence").Val()) {
			if strings.HasPrefix(line, "rdb_changes_since_last_save:") {
				return line
			}
		}
		s.t.Fatal("INFO has no rdb_changes_since_last_save")
		return ""
	}
	before, counted := storetest.DumpAll(ctx, s.client), changes()
	p := s.command(s.settings, append([]string{"show"}, args...)...)
	text := p.stdout.String() + p.stderr.String()
	what := fmt.Sprintf("exit code of kasse show %v, which printed %s", args, text)
	expect(s.t, what, p.command.ProcessState.ExitCode(), code)
	expect(s.t, "Redis's count of changes", changes(), counted)
	for key, content := range storetest.DumpAll(ctx, s.client) { // keys that are gone may have expired
		expect(s.t, "content of "+key+" after kasse show", content, before[key])
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.t.Errorf("kasse show %v prints the private text %q:\n%s", args, secret, text)
		}
	}
	return text
}

// shownJSON holds the members of docs/show.md that the test compares.
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

// showTest is an environment whose order-1 has a decline, a success, a refund, a dispute and a
// review. An endpoint has accepted a part of its events.
type showTest struct {
	*endpointTest
	view              view
	customer, dispute string
	secrets           []string // texts that kasse show must not print
}

// TestShowCommand: kasse show prints an order as text and as JSON. It reports differences from
// Stripe, unknown ids, and a corrupt record.
func TestShowCommand(t *testing.T) {
	t.Parallel()
	s := &showTest{endpointTest: newEndpointTest(t, "")}
	s.createOrder()
	s.playOrder()
	s.server.terminate() // a running server would also write to Redis
	expect(t, "exit code of the server", s.server.exitCode(), 0)

	text := s.show(s.secrets, 0, "order-1")
	expectContains(s.t, text, "Order order-1", "4200 eur, customer "+s.customer,
		s.view.PaymentIntent+"  disputed (Stripe: succeeded)",
		"held           refunded", "failures       1", "metadata present", "receipt present", "state pending → failed",
		"cause payment_intent.succeeded evt_", "refund, re_", ": succeeded, 700", "dispute, dp_", "review, prv_",
		"order.paid", "order.partially_refunded", "try 1", "answered 200", "answered 502",
		"waits for another try, due ")
	expect(t, "the order by its payment's id", s.show(s.secrets, 0, s.view.PaymentIntent), text)
	expectContains(s.t, s.show(s.secrets, 0, s.customer), "Customer "+s.customer,
		"order-1  "+s.view.PaymentIntent+"  disputed  4200 eur")
	s.checkJSON()
	s.checkFaults(s.view, s.dispute, s.secrets)
}

// createOrder creates the payment, with personal data that kasse show must not print.
func (s *showTest) createOrder() {
	s.t.Helper()
	s.customer = s.endpointTest.customer()
	body := fmt.Sprintf(`{"order_id":"order-1","amount":4200,"currency":"eur","customer":%q,`+
		`"metadata":{"name":"Lovelace"},"receipt_email":"augusta@example.com","description":"Babbage"}`, s.customer)
	s.view = s.server.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", body).view(s.t)
	hash := sha256.Sum256([]byte(s.view.ClientSecret))
	s.secrets = []string{
		s.view.ClientSecret, hex.EncodeToString(hash[:]), "Lovelace", "augusta", "Babbage", "pay.stripe.com", "hunter2",
		"4242", stripeKey, backendKey,
	}
}

// playOrder declines, pays, refunds in part, reviews and disputes the payment. The endpoint answers
// 502 from the refund on.
func (s *showTest) playOrder() {
	s.t.Helper()
	s.pay(s.view, "pm_card_chargeDeclined")
	s.server.awaitState(s.view, "failed")
	s.pay(s.view, "pm_card_visa")
	s.server.awaitState(s.view, "paid")
	wait.UntilTrue(s.t, "order.paid", func() bool { return len(s.ids()) == 2 })
	awaitIdle(s.processEnv, s.settings)
	s.down.Store(true)
	_, err := s.sim.Refund(s.view.PaymentIntent, 700)
	s.noError(err)
	s.server.awaitState(s.view, "partially_refunded")
	_, err = s.sim.OpenReview(s.view.PaymentIntent, "rule")
	s.noError(err)
	s.dispute, err = s.sim.OpenDispute(s.view.PaymentIntent, "fraudulent", false)
	s.noError(err)
	s.server.awaitState(s.view, "disputed")
	s.noError(s.sim.Drain(s.t.Context()))
	wait.UntilTrue(s.t, "a failed delivery", func() bool {
		return strings.Contains(s.events(0, "log"), "answered 502")
	})
}

// checkJSON checks the order as JSON, with a comparison with Stripe.
func (s *showTest) checkJSON() {
	t := s.t
	t.Helper()
	var shown shownJSON
	s.noError(json.Unmarshal([]byte(s.show(s.secrets, 0, "order-1", "-json", "-stripe")), &shown))
	if len(shown.Attempts) != 1 || shown.Attempts[0].State != "disputed" || shown.Attempts[0].FailedAttempts != 1 ||
		!shown.Attempts[0].Personal.Metadata || shown.Winner == nil || *shown.Winner != s.view.PaymentIntent {
		t.Errorf("got %+v, want one disputed attempt with a failure, which is the winner", shown)
	}
	kinds := map[string]int{}
	for _, step := range shown.Timeline {
		kinds[step.Kind]++
	}
	if kinds["refund"] != 1 || kinds["dispute"] == 0 || kinds["review"] != 1 || kinds["state"] < 4 {
		t.Errorf("the timeline has by kind %v, want 1 refund, 1 review, at least 1 dispute and 4 states", kinds)
	}
	states := map[string]string{}
	for _, e := range shown.Events {
		states[e.Type] = e.Deliveries[0].State
	}
	expect(t, "delivery of order.paid", states["order.paid"], "delivered")
	expect(t, "delivery of order.partially_refunded", states["order.partially_refunded"], "waits for another try")
	if shown.Stripe == nil || shown.Stripe.Status != "succeeded" || len(shown.Stripe.Differences) > 0 {
		t.Errorf("the comparison with Stripe is %+v, want succeeded without differences", shown.Stripe)
	}
}

// checkFaults runs kasse show after a change that only Stripe has, with a fault of Stripe, with
// unknown ids, without the index, and with corrupt records.
func (s *endpointTest) checkFaults(v view, dispute string, secrets []string) {
	s.t.Helper()
	s.noError(s.sim.MoveDispute(dispute, "won")) // no server gets the event
	expectContains(s.t, s.show(secrets, 0, "-stripe", v.PaymentIntent),
		"dispute "+dispute+" Redis: needs_response, 4200; Stripe: won, 4200")
	s.noError(s.sim.AddFault(stripesim.Fault{Endpoint: readRoute, Kind: stripesim.ServerError, Times: -1}))
	expectContains(s.t, s.show(secrets, 1, "-stripe", v.PaymentIntent), "Order order-1", "-stripe: ")
	s.sim.ClearFaults()
	for _, id := range []string{"order-9", "pi_unknown", "cus_unknown"} {
		expectContains(s.t, s.show(secrets, 1, id), id)
	}
	expectContains(s.t, s.show(secrets, 2, "what?"), "this is not the id")
	expectContains(s.t, s.show(secrets, 2, v.ClientSecret), "this is a client secret")
	s.settings["ORDER_INDEX"] = "false"
	expectContains(s.t, s.show(secrets, 1, "cus_unknown"), "ORDER_INDEX is false")
	for _, key := range s.client.Keys(s.t.Context(), "kasse:{p*}:order:order-1").Val() {
		stream := strings.Replace(key, "order:order-1", "events", 1)
		broken := &redis.XAddArgs{Stream: stream, Values: []string{"data", "{"}}
		entry, err := s.client.XAdd(s.t.Context(), broken).Result()
		s.noError(err)
		expectContains(s.t, s.show(secrets, 1, "order-1"), "the entry "+entry+" of "+stream+" cannot be read")
		s.noError(s.client.XDel(s.t.Context(), stream, entry).Err())
		s.noError(s.client.HSet(s.t.Context(), key, "order", "7-abc\n\x01\xff\xff").Err())
		text := s.show(secrets, 1, "order-1")
		expectContains(s.t, text, "the stored record of order-1 cannot be read: "+key+": ", "kasse rebuild")
		expectContains(s.t, s.show(secrets, 1, v.PaymentIntent), "cannot be read: "+key+": ")
		s.noError(s.client.Del(s.t.Context(), key).Err()) // as the message recommends
		s.mustRun(s.settings, "rebuild")
		expectContains(s.t, s.show(secrets, 0, v.PaymentIntent), "Order order-1", "refund, re_", "dispute, dp_")
	}
}

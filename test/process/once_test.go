package process_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"kasse/service/stripe/stripesim"
)

// A thousand clicks on one order, over three processes, open one payment.
func TestThousandCreatesOfOneOrder(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	all := w.serve(3, map[string]string{"RATE_LIMIT_SERVICE": ""}) // the default lets them through
	answers := createAtOnce(w, all, 1000, func(int) string { return "busy" })
	made := w.intents()["busy"]
	if len(made) != 1 {
		t.Fatalf("Stripe has %d PaymentIntents of the order", len(made))
	}
	tally := checkAnswers(t, answers, map[string]string{"busy": made[0].ID})
	t.Logf("%v", tally)
	if tally[http.StatusServiceUnavailable] == 0 { // otherwise the first answer may have been such a one
		expect(t, "number of 201", tally[http.StatusCreated], 1)
	}
	if tally[http.StatusOK] == 0 {
		t.Error("no create returned the payment that another had opened")
	}
}

// Many orders at once, each clicked at several times, open a payment each.
func TestManyOrdersAtOnce(t *testing.T) {
	const orders, clicks = 200, 5
	w := newEnv(t, stripesim.Options{})
	all := w.serve(3, nil)
	name := func(i int) string { return fmt.Sprintf("order-%d", i%orders) }
	answers := createAtOnce(w, all, orders*clicks, name)
	made := w.intents()
	payments := map[string]string{}
	for i := range orders {
		if len(made[name(i)]) != 1 {
			t.Fatalf("Stripe has %d PaymentIntents of %s", len(made[name(i)]), name(i))
		}
		payments[name(i)] = made[name(i)][0].ID
	}
	expect(t, "number of orders at Stripe", len(made), orders)
	tally := checkAnswers(t, answers, payments)
	t.Logf("%v", tally)
	if tally[http.StatusServiceUnavailable] == 0 {
		expect(t, "number of 201", tally[http.StatusCreated], orders)
	}
}

// created is the answer to one of many creates.
type created struct {
	order string
	answer
	err error
}

// createAtOnce sends so many creates at the same moment, to the processes by turns.
func createAtOnce(w *processEnv, all []*process, count int, order func(int) string) []created {
	customer := w.customer()
	answers := make([]created, count)
	start := make(chan struct{})
	var everybody sync.WaitGroup
	for i := range answers {
		everybody.Go(func() {
			<-start
			answers[i].order = order(i)
			answers[i].answer, answers[i].err = all[i%len(all)].ask(
				backendKey, http.MethodPost, "/v1/payments", orderBody(order(i), customer),
			)
		})
	}
	close(start)
	everybody.Wait()
	return answers
}

// checkAnswers checks that every caller got its order's payment and a session of its own, or may come again. It counts
// the answers by status.
func checkAnswers(t *testing.T, answers []created, payments map[string]string) map[int]int {
	t.Helper()
	tally, wrong, secrets, sessions := map[int]int{}, map[string]int{}, map[string]string{}, map[string]bool{}
	for _, a := range answers {
		if a.err != nil {
			t.Fatal(a.err)
		}
		tally[a.status]++
		v := a.view(t)
		switch {
		case a.status == http.StatusConflict && v.Code == "idempotency_in_progress" && v.Retryable:
			continue
		case a.status == http.StatusServiceUnavailable && v.Code == "store_unavailable" && v.Retryable:
			continue // on a slow machine Redis does not answer so many in time
		case a.status != http.StatusCreated && a.status != http.StatusOK:
			wrong[v.Code]++
			continue
		}
		expect(t, "payment of "+a.order, v.PaymentIntent, payments[a.order])
		if known, ok := secrets[a.order]; v.ClientSecret == "" || ok && known != v.ClientSecret {
			t.Errorf("%s: another client secret, or none", a.order)
		}
		secrets[a.order] = v.ClientSecret
		if v.CustomerSession == nil || sessions[v.CustomerSession.ClientSecret] {
			t.Errorf("%s: no customer session, or somebody else's", a.order)
			continue
		}
		sessions[v.CustomerSession.ClientSecret] = true
	}
	if len(wrong) > 0 {
		t.Errorf("answers that are neither the payment nor a refusal that may be repeated: %v", wrong)
	}
	return tally
}

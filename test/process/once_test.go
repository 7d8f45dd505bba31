package process_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"kasse/service/stripe/stripesim"
)

// TestThousandCreatesOfOneOrder: 1,000 simultaneous creates of one order, over three processes,
// open one payment.
func TestThousandCreatesOfOneOrder(t *testing.T) {
	w := newEnv(t, stripesim.Options{})
	all := w.serve(3, map[string]string{"RATE_LIMIT_SERVICE": ""}) // the default accepts them all
	answers := createAtOnce(w, all, 1000, func(int) string { return "busy" })
	intents := w.intents()["busy"]
	if len(intents) != 1 {
		t.Fatalf("Stripe has %d PaymentIntents of the order, want 1", len(intents))
	}
	counts := checkAnswers(t, answers, map[string]string{"busy": intents[0].ID})
	t.Logf("answers by status: %v", counts)
	if counts[http.StatusServiceUnavailable] == 0 { // otherwise the create that opened the payment may have got 503
		expect(t, "number of 201", counts[http.StatusCreated], 1)
	}
	if counts[http.StatusOK] == 0 {
		t.Error("no create got 200 with the payment that another had opened")
	}
}

// TestManyOrdersAtOnce: simultaneous creates of many orders, five of each, open one payment of each
// order.
func TestManyOrdersAtOnce(t *testing.T) {
	const orders, creates = 200, 5
	w := newEnv(t, stripesim.Options{})
	all := w.serve(3, nil)
	name := func(i int) string { return fmt.Sprintf("order-%d", i%orders) }
	answers := createAtOnce(w, all, orders*creates, name)
	intents := w.intents()
	payments := map[string]string{}
	for i := range orders {
		if len(intents[name(i)]) != 1 {
			t.Fatalf("Stripe has %d PaymentIntents of %s, want 1", len(intents[name(i)]), name(i))
		}
		payments[name(i)] = intents[name(i)][0].ID
	}
	expect(t, "number of orders at Stripe", len(intents), orders)
	counts := checkAnswers(t, answers, payments)
	t.Logf("answers by status: %v", counts)
	if counts[http.StatusServiceUnavailable] == 0 {
		expect(t, "number of 201", counts[http.StatusCreated], orders)
	}
}

// createAnswer is the answer to one of many creates.
type createAnswer struct {
	order string
	answer
	err error
}

// createAtOnce sends count creates at the same time, to the processes in turn.
func createAtOnce(w *processEnv, all []*process, count int, order func(int) string) []createAnswer {
	customer := w.customer()
	answers := make([]createAnswer, count)
	start := make(chan struct{})
	var requests sync.WaitGroup
	for i := range answers {
		requests.Go(func() {
			<-start
			answers[i].order = order(i)
			answers[i].answer, answers[i].err = all[i%len(all)].request(
				backendKey, http.MethodPost, "/v1/payments", orderBody(order(i), customer),
			)
		})
	}
	close(start)
	requests.Wait()
	return answers
}

// checkAnswers checks that every caller got its order's payment and its own customer session, or a
// retryable refusal. It returns the number of answers by status.
func checkAnswers(t *testing.T, answers []createAnswer, payments map[string]string) map[int]int {
	t.Helper()
	counts, wrong, secrets, sessions := map[int]int{}, map[string]int{}, map[string]string{}, map[string]bool{}
	for _, a := range answers {
		if a.err != nil {
			t.Fatal(a.err)
		}
		counts[a.status]++
		v := a.view(t)
		switch {
		case a.status == http.StatusConflict && v.Code == "idempotency_in_progress" && v.Retryable:
			continue
		case a.status == http.StatusServiceUnavailable && v.Code == "store_unavailable" && v.Retryable:
			continue // on a slow machine Redis does not answer so many requests in time
		case a.status != http.StatusCreated && a.status != http.StatusOK:
			wrong[v.Code]++
			continue
		}
		expect(t, "payment of "+a.order, v.PaymentIntent, payments[a.order])
		if known, ok := secrets[a.order]; v.ClientSecret == "" || ok && known != v.ClientSecret {
			t.Errorf("%s: the client secret is missing, or differs from that of another answer", a.order)
		}
		secrets[a.order] = v.ClientSecret
		if v.CustomerSession == nil || sessions[v.CustomerSession.ClientSecret] {
			t.Errorf("%s: the customer session is missing, or is that of another answer", a.order)
			continue
		}
		sessions[v.CustomerSession.ClientSecret] = true
	}
	if len(wrong) > 0 {
		t.Errorf("numbers of errors by code are %v, want only retryable 409 and 503", wrong)
	}
	return counts
}

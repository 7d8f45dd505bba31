package process_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// shortLease are settings for a short lease of orders: it is five seconds longer than
// STRIPE_TIMEOUT.
var shortLease = map[string]string{"STRIPE_TIMEOUT": "2s"}

// createRoute is the simulator's route of a new PaymentIntent.
const createRoute = "POST /v1/payment_intents"

// TestKillWhileStripeWorks: a process is killed while Stripe processes its create. Another process
// opens the order's payment, and the customer pays it.
func TestKillWhileStripeWorks(t *testing.T) {
	t.Parallel()
	concurrently(t, map[string]func(*testing.T){
		"before the work": killAt(stripesim.Fault{Kind: stripesim.Timeout}),
		// The simulator executes a slow request when its connection is closed, so after the kill.
		"during the work": killAt(stripesim.Fault{Kind: stripesim.Slow, Delay: time.Hour}),
		"after the work":  killAt(stripesim.Fault{Kind: stripesim.Timeout, After: true}),
		"at the repeat after a lost request": killAt(
			stripesim.Fault{Kind: stripesim.Dropped}, stripesim.Fault{Kind: stripesim.Timeout},
		),
		"at the repeat after a lost answer": killAt(
			stripesim.Fault{Kind: stripesim.Dropped, After: true}, stripesim.Fault{Kind: stripesim.Timeout},
		),
	})
}

// concurrently runs all subtests at the same time, on any number of processors: they mostly wait.
func concurrently(t *testing.T, subtests map[string]func(*testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, subtest := range subtests {
		all.Go(func() { t.Run(name, subtest) })
	}
	all.Wait()
}

// killAt returns a subtest: the tries of a create get the faults, one each. The process is killed
// at the last one, and the create is repeated at another process.
func killAt(faults ...stripesim.Fault) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		w := newEnv(t, stripesim.Options{})
		victim := w.serve(1, shortLease)[0]
		w.balancer.set()
		second := w.serve(1, shortLease)[0]
		for _, fault := range faults {
			fault.Endpoint = createRoute
			if err := w.sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
		}
		customer := w.customer()
		answered := victim.createInBackground("crash", customer)
		// A slow machine may notice the last try only after the next one.
		wait.UntilTrue(t, "the last try at Stripe", func() bool { return w.sim.Count(createRoute) >= len(faults) })
		victim.kill()
		if status := <-answered; status != 0 {
			t.Logf("the kill was too late: the create was answered with status %d", status)
		}
		w.repeatAndPay(second, "crash", customer)
	}
}

// createInBackground sends a create, and returns the status of its answer; 0 without an answer.
func (p *process) createInBackground(order, customer string) <-chan int {
	answered := make(chan int, 1)
	go func() {
		a, err := p.request(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		if err != nil {
			a.status = 0
		}
		answered <- a.status
	}()
	return answered
}

// repeatAndPay repeats the create until the answer is the order's only payment, and pays it.
func (w *processEnv) repeatAndPay(by *process, order, customer string) {
	w.t.Helper()
	opened := w.createWithRetries(by, order, customer)
	stored := w.intents()[order]
	if len(stored) != 1 || stored[0].ID != opened.PaymentIntent {
		w.t.Fatalf("Stripe's payments of %s are %+v, want only %s", order, stored, opened.PaymentIntent)
	}
	expect(w.t, "state of "+order, opened.State, "pending")
	expect(w.t, "attempt of "+order, opened.Attempt, 1)
	expect(w.t, "Stripe's status of "+order, w.pay(opened, "pm_card_visa").Status, "succeeded")
	by.awaitState(opened, "paid")
	by.must(http.StatusConflict, backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
}

// createWithRetries repeats a create while the answer is retryable, as a backend does.
func (w *processEnv) createWithRetries(by *process, order, customer string) view {
	w.t.Helper()
	var opened view
	wait.Until(w.t, "the create of "+order, func() error {
		a, err := by.request(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		if err != nil {
			return err
		}
		opened = a.view(w.t)
		if a.status != http.StatusCreated && a.status != http.StatusOK {
			if !opened.Retryable {
				w.t.Fatalf("the create of %s: got %d %s, want success or a retryable error", order, a.status, a.body)
			}
			return fmt.Errorf("got %d %s", a.status, a.body)
		}
		return nil
	})
	if opened.ClientSecret == "" || opened.CustomerSession == nil {
		w.t.Fatalf("the create of %s returned no client secret or no customer session", order)
	}
	return opened
}

// TestKillBetweenAnyTwoSteps: a process is killed at each of its requests to Redis during a create,
// before Redis receives the request and after it. The test tries more requests than a create has,
// so some creates are undisturbed. This shows that the test leaves out no request.
func TestKillBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	second := w.serve(1, shortLease)[0]
	customer := w.customer()
	// The first create loads the scripts into Redis.
	second.must(http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("warm-up", customer))
	const requests = 6
	var mu sync.Mutex
	undisturbed := 0
	subtests := map[string]func(*testing.T){}
	for i := range 2 * requests {
		number, after := i/2+1, i%2 == 1
		name := fmt.Sprintf("before request %d", number)
		if after {
			name = fmt.Sprintf("after request %d", number)
		}
		subtests[name] = func(t *testing.T) {
			t.Helper()
			order := "step-" + strconv.Itoa(i)
			proxy := newRedisProxy(t, w.redis.URL(), order, number, after)
			w := w.forSubtest(t)
			victim := w.start(map[string]string{"STRIPE_TIMEOUT": "2s", "REDIS_URL": proxy.url()})
			victim.awaitReady()
			answered := victim.createInBackground(order, customer)
			select {
			case <-proxy.blocked:
				victim.kill()
				<-answered
			case status := <-answered:
				expectOpened(t, "status of an undisturbed create", status)
				victim.kill()
				mu.Lock()
				undisturbed++
				mu.Unlock()
			}
			w.repeatAndPay(second.forSubtest(t), order, customer)
		}
	}
	concurrently(t, subtests)
	if undisturbed < 2 || undisturbed > requests {
		t.Errorf("%d of %d creates were undisturbed, want 2 to %d", undisturbed, 2*requests, requests)
	}
}

// expectOpened fails the test unless the create has opened a payment. On a slow machine Stripe may take longer than
// STRIPE_TIMEOUT; the test repeats every create later.
func expectOpened(t *testing.T, what string, status int) {
	t.Helper()
	if status != http.StatusGatewayTimeout {
		expect(t, what, status, http.StatusCreated)
	}
}

// TestKillAtAnyMoment: a process is killed at a random moment during many creates. Another process
// opens the only payment of each order.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	seed := randomSeed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newEnv(t, stripesim.Options{Seed: seed})
	second := w.serve(1, shortLease)[0]
	if err := w.sim.SetLatency(createRoute, 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	customer := w.customer()
	subtests := map[string]func(*testing.T){}
	const rounds, orders = 6, 8
	for round := range rounds {
		first, delay := random.IntN(orders), time.Duration(random.Int64N(int64(5*time.Millisecond)))
		subtests[fmt.Sprintf("round %d, %s after answer %d", round, delay, first)] = func(t *testing.T) {
			t.Helper()
			w := w.forSubtest(t)
			victim := w.start(shortLease)
			victim.awaitReady()
			answers := make(chan int, orders)
			for i := range orders {
				go func() { answers <- <-victim.createInBackground(fmt.Sprintf("any-%d-%d", round, i), customer) }()
			}
			for range first {
				expectOpened(t, "status of a create before the kill", <-answers)
			}
			time.Sleep(delay)
			victim.kill()
			for range orders - first {
				<-answers
			}
			var repeating sync.WaitGroup
			for i := range orders {
				order := fmt.Sprintf("any-%d-%d", round, i)
				repeating.Go(func() { w.repeatAndPay(second.forSubtest(t), order, customer) })
			}
			repeating.Wait()
		}
	}
	concurrently(t, subtests)
}

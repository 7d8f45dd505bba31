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

// hasty makes for a short lease: it is five seconds longer than the timeout. The kill has to fall within the timeout.
var hasty = map[string]string{"STRIPE_TIMEOUT": "2s"}

const createRoute = "POST /v1/payment_intents"

// A process that dies while Stripe works on its create leaves an order that another process repeatAndPay.
func TestKillWhileStripeWorks(t *testing.T) {
	t.Parallel()
	concurrently(t, map[string]func(*testing.T){
		"before the work": killAt(stripesim.Fault{Kind: stripesim.Timeout}),
		"during the work": killAt(
			stripesim.Fault{Kind: stripesim.Slow, Delay: time.Hour},
		), // it is done once the caller is gone
		"after the work": killAt(stripesim.Fault{Kind: stripesim.Timeout, After: true}),
		"at the repeat of a lost request": killAt(
			stripesim.Fault{Kind: stripesim.Dropped}, stripesim.Fault{Kind: stripesim.Timeout},
		),
		"at the repeat of a lost answer": killAt(
			stripesim.Fault{Kind: stripesim.Dropped, After: true}, stripesim.Fault{Kind: stripesim.Timeout},
		),
	})
}

// concurrently runs subtests that mostly wait all at once, however few processors there are.
func concurrently(t *testing.T, stories map[string]func(*testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, story := range stories {
		all.Go(func() { t.Run(name, story) })
	}
	all.Wait()
}

// killAt lets a create meet the faults, one a try, kills its process at the last of them, and sends the create again.
func killAt(faults ...stripesim.Fault) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		w := newEnv(t, stripesim.Options{})
		victim := w.serve(1, hasty)[0]
		w.balancer.set()
		second := w.serve(1, hasty)[0]
		for _, fault := range faults {
			fault.Endpoint = createRoute
			if err := w.sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
		}
		customer := w.customer()
		answered := victim.createInBackground("crash", customer)
		wait.Until(t, "the last try at Stripe", func() error { return yet(w.sim.Count(createRoute) == len(faults)) })
		victim.kill()
		if status := <-answered; status != 0 {
			t.Logf("the kill came too late: the create was answered %d", status)
		}
		w.repeatAndPay(second, "crash", customer)
	}
}

// createInBackground sends a create, and returns the status of its answer; 0 where there was none.
func (p *process) createInBackground(order, customer string) <-chan int {
	answered := make(chan int, 1)
	go func() {
		a, err := p.ask(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		if err != nil {
			a.status = 0
		}
		answered <- a.status
	}()
	return answered
}

// repeatAndPay sends the create again until it is answered with the order's one payment, and pays it.
func (w *processEnv) repeatAndPay(by *process, order, customer string) {
	w.t.Helper()
	opened := w.createPatiently(by, order, customer)
	made := w.intents()[order]
	if len(made) != 1 || made[0].ID != opened.PaymentIntent {
		w.t.Fatalf("%s is %s, and at Stripe %+v", order, opened.PaymentIntent, made)
	}
	expect(w.t, "state of "+order, opened.State, "pending")
	expect(w.t, "attempt of "+order, opened.Attempt, 1)
	expect(w.t, "Stripe's status of "+order, w.pay(opened, "pm_card_visa").Status, "succeeded")
	by.awaitState(opened, "paid")
	by.must(http.StatusConflict, backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
}

// createPatiently repeats a create as a backend does: as long as the answer allows it.
func (w *processEnv) createPatiently(by *process, order, customer string) view {
	w.t.Helper()
	var opened view
	wait.Until(w.t, "the create of "+order, func() error {
		a, err := by.ask(backendKey, http.MethodPost, "/v1/payments", orderBody(order, customer))
		if err != nil {
			return err
		}
		opened = a.view(w.t)
		if a.status != http.StatusCreated && a.status != http.StatusOK {
			if !opened.Retryable {
				w.t.Fatalf("%s was not opened by the repeats: %d %s", order, a.status, a.body)
			}
			return fmt.Errorf("%d %s", a.status, a.body)
		}
		return nil
	})
	if opened.ClientSecret == "" || opened.CustomerSession == nil {
		w.t.Fatalf("%s was opened without its secrets", order)
	}
	return opened
}

// The process dies at each of its questions to Redis in turn, before Redis receives it, and after. A question beyond
// the last shows that none was left out.
func TestKillBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	w := newEnv(t, stripesim.Options{})
	second := w.serve(1, hasty)[0]
	customer := w.customer()
	second.must(
		http.StatusCreated, backendKey, http.MethodPost, "/v1/payments", orderBody("warm-up", customer),
	) // Redis knows the scripts now
	const questions = 6
	var mu sync.Mutex
	beyond := 0
	stories := map[string]func(*testing.T){}
	for i := range 2 * questions {
		at, done := i/2+1, i%2 == 1
		name := fmt.Sprintf("question %d, done %t", at, done)
		stories[name] = func(t *testing.T) {
			t.Helper()
			order := "step-" + strconv.Itoa(i)
			g := newGate(t, w.redis.URL(), order, at, done)
			w := w.in(t)
			victim := w.start(map[string]string{"STRIPE_TIMEOUT": "2s", "REDIS_URL": g.url()})
			victim.awaitReady()
			answered := victim.createInBackground(order, customer)
			select {
			case <-g.shut:
				victim.kill()
				<-answered
			case status := <-answered:
				expect(t, "answer to a create that nothing disturbed", status, http.StatusCreated)
				victim.kill()
				mu.Lock()
				beyond++
				mu.Unlock()
			}
			w.repeatAndPay(second.in(t), order, customer)
		}
	}
	concurrently(t, stories)
	if beyond < 2 || beyond > questions {
		t.Errorf("%d of %d creates were not disturbed", beyond, 2*questions)
	}
}

// A process that is killed at any moment, with many creates under way, leaves no order without its one payment.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	seed := seeded(t)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newEnv(t, stripesim.Options{Seed: seed})
	second := w.serve(1, hasty)[0]
	if err := w.sim.SetLatency(createRoute, 5*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	customer := w.customer()
	stories := map[string]func(*testing.T){}
	const rounds, orders = 6, 8
	for round := range rounds {
		first, delay := random.IntN(orders), time.Duration(random.Int64N(int64(5*time.Millisecond)))
		stories[fmt.Sprintf("round %d, %s after answer %d", round, delay, first)] = func(t *testing.T) {
			t.Helper()
			w := w.in(t)
			victim := w.start(hasty)
			victim.awaitReady()
			answers := make(chan int, orders)
			for i := range orders {
				go func() { answers <- <-victim.createInBackground(fmt.Sprintf("any-%d-%d", round, i), customer) }()
			}
			for range first {
				expect(t, "answer before the kill", <-answers, http.StatusCreated)
			}
			time.Sleep(delay)
			victim.kill()
			for range orders - first {
				<-answers
			}
			var repeating sync.WaitGroup
			for i := range orders {
				repeating.Go(func() { w.repeatAndPay(second.in(t), fmt.Sprintf("any-%d-%d", round, i), customer) })
			}
			repeating.Wait()
		}
	}
	concurrently(t, stories)
}

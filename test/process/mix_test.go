package process_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/service/stripe/stripesim"
	"kasse/test/rounds"
	"kasse/test/wait"
)

var (
	mixOrders = flag.Int(
		"orders", 0, "number of orders of each run of TestRandomOrders; "+
			"0: depends on KASSE_TEST_ROUNDS, 300 with -duration",
	)
	mixDuration = flag.Duration(
		"duration", 0, "how long TestRandomOrders runs, with one seed after the other; 0: one run",
	)
)

const (
	mixAtOnce  = 12  // orders that are played at the same time
	mixFailed  = 3   // MAX_FAILED_ATTEMPTS
	mixWebhook = 0.3 // share of webhooks that are duplicated, and that are reordered
)

// TestRandomOrders plays random orders over HTTP against two servers, one Redis and the
// simulator. For each order a backend and a customer act at the same time: creates, new prices by
// token, another currency, PATCH, cancel, reopen, capture, refund, declines, 3-D Secure and debits.
// Webhooks are duplicated and reordered, and replicas are killed. At the end each order must match
// Stripe. KASSE_TEST_SEED draws the same orders again, but simultaneous actions may run in another
// order.
func TestRandomOrders(t *testing.T) {
	seed := randomSeed(t)
	for end := time.Now().Add(*mixDuration); ; seed++ {
		if *mixDuration == 0 {
			playMix(t, seed, false)
			return
		}
		round := func(t *testing.T) {
			t.Helper()
			playMix(t, seed, seed%2 == 0)
		}
		if !t.Run(fmt.Sprintf("KASSE_TEST_SEED=%d", seed), round) || time.Now().After(end) {
			return
		}
	}
}

// playMix plays and checks the orders of one seed. compareWithStripe describes alone.
func playMix(t *testing.T, seed uint64, alone bool) {
	t.Helper()
	m := &mix{processEnv: newEnv(t, stripesim.Options{
		Seed: seed, Duplicate: mixWebhook, Reorder: mixWebhook, Settle: 24 * time.Hour,
	})}
	m.noError(m.sim.SetLatency("", 10*time.Millisecond)) // so that some kills hit calls to Stripe
	settings := map[string]string{
		"STRIPE_TIMEOUT": "2s", "RATE_LIMIT_FRONTEND_STRIPE": "off", "MAX_FAILED_ATTEMPTS": fmt.Sprint(mixFailed),
		"LOG_LEVEL": "info", "ORDER_TOKEN_SECRETS": "test:" + strings.Repeat("A", 43) + "=",
	}
	m.replicas = m.serve(2, settings)
	kills := rounds.Of(3, 4, 8)
	customer := m.customer()
	orders := make([]*mixedOrder, m.count())
	for i := range orders {
		orders[i] = m.draw(seed, i, customer)
	}
	queue := make(chan *mixedOrder)
	var players sync.WaitGroup
	for range mixAtOnce {
		players.Go(func() {
			for o := range queue {
				o.play()
			}
		})
	}
	players.Go(func() {
		defer close(queue)
		for _, o := range orders {
			queue <- o
		}
	})
	random := rand.New(rand.NewPCG(seed, 0))
	for kill := range kills {
		share := int64((kill + 1) * len(orders) / (kills + 1))
		wait.UntilTrue(t, fmt.Sprintf("the end of %d orders", share), func() bool { return m.played.Load() >= share })
		m.replace(random.IntN(len(m.replicas)), settings)
	}
	players.Wait()
	m.compareWithStripe(orders, alone)
	t.Logf(
		"%d orders, %d payments, %d kills; answers by status: %v; events by type: %v",
		len(orders), m.payments, kills, m.statuses, m.events,
	)
}

// count returns the number of orders of a run.
func (m *mix) count() int {
	switch {
	case *mixOrders > 0:
		return *mixOrders
	case *mixDuration > 0:
		return 300
	}
	return rounds.Of(40, 100, 300)
}

// mix is the environment of one run.
type mix struct {
	*processEnv
	played   atomic.Int64 // number of orders
	payments int
	events   map[string]int // by type

	mu       sync.Mutex
	replicas []*process
	statuses map[int]int // number of answers by status; 0: no answer
}

// replace kills a replica and starts another. Until it is ready, Stripe's deliveries to the killed
// one fail.
func (m *mix) replace(n int, settings map[string]string) {
	m.replicas[n].kill()
	fresh := m.start(settings)
	fresh.awaitReady()
	m.mu.Lock()
	m.replicas[n] = fresh
	m.balancer.set(m.replicas[0].public, m.replicas[1].public)
	m.mu.Unlock()
}

// send sends a request to a replica. It returns false if the outcome is unknown: without a
// response, after an error of the server, and while another request with the same key runs.
func (m *mix) send(replica uint64, credential, method, path, body string, header map[string]string) (answer, bool) {
	m.mu.Lock()
	p := m.replicas[replica%uint64(len(m.replicas))]
	m.mu.Unlock()
	all := map[string]string{"Authorization": "Bearer " + credential}
	if body != "" {
		all["Content-Type"] = "application/json"
	}
	maps.Copy(all, header)
	a, err := call(m.t.Context(), m.client, method, p.public+path, all, body)
	if err != nil {
		a.status = 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.statuses == nil {
		m.statuses = map[int]int{}
	}
	m.statuses[a.status]++
	if a.status == http.StatusInternalServerError || a.status == http.StatusBadGateway {
		m.t.Errorf("%s %s: got %d %s, want neither 500 nor 502", method, path, a.status, a.body)
	}
	var problem struct{ Code string }
	_ = json.Unmarshal(a.body, &problem) // a response may have no code
	return a, a.status != 0 && a.status < http.StatusInternalServerError && problem.Code != "idempotency_in_progress"
}

package sim_test

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"kasse/service/payment"
)

// simulation has several orders, the replicas that process them, and a scheduler that executes one action at
// a time.
type simulation struct {
	seed        uint64
	began       time.Time
	draw        *rand.Rand // the scheduler's generator
	mutant      mutant
	settings    settings
	redis       *redis
	stripe      *stripe
	hints       *hints
	orders      []*order
	begun       []*operation // running requests and deliveries
	concluding  *operation   // the operation that has ended and is being checked
	started     int          // replicas
	actors      int
	steps       int
	faultsEnded bool // no more faults are injected
	trace       []string
	hash        uint64
	failure     error // the first violated invariant
	last        *actor

	states       []state           // earlier states of Redis, oldest first
	losses       int               // how often Redis went back
	lostAt       time.Time         // time of the last loss
	needsRebuild bool              // the lost data is older than the next catch-up reads
	pointersLost bool              // and no rebuild has followed
	caughtUp     time.Time         // start of the last finished catch-up
	announced    map[string]string // type and data of every event by id, including lost ones
	readsQueued  map[payment.ID]int
	newest       map[string]string // version of the newest event by payment, including lost ones

	mu       sync.Mutex // guards the service's goroutines' data
	pending  []*call
	replicas []*replica
	jitters  *rand.Rand
}

// settings differ between simulations, so that each explores other cases.
type settings struct {
	replicas   int
	orders     int
	partitions int
	steps      int
	sameActor  float64 // probability that the actor of the last call also makes the next one
	faults     float64 // probability of faults, 0 to 1
	crashes    float64
	pauses     float64 // probability that time passes instead of a call
	customers  float64
	backends   float64
	deliveries float64
	copies     float64       // probability that another user copies Kasse's metadata to their own PaymentIntent
	losses     float64       // probability that Redis goes back to an earlier state
	outages    float64       // probability that no replica runs for a while
	rebuild    bool          // the simulation ends with a rebuild, if Redis went back
	catchUp    bool          // Stripe lists its events
	redisSkew  time.Duration // initial error of Redis's clock
	clockJumps time.Duration // limit of the later error of Redis's clock
	omitEvents bool          // Stripe omits some events
	verify     payment.Verification
}

func newSimulation(seed uint64, m mutant) *simulation {
	w := &simulation{
		seed: seed, mutant: m, began: time.Now(), announced: map[string]string{},
		newest: map[string]string{}, readsQueued: map[payment.ID]int{},
		draw: rand.New(rand.NewPCG(seed, 1)), jitters: rand.New(rand.NewPCG(seed, 2)),
	}
	s := settings{
		replicas: 1 + w.draw.IntN(3), orders: 1 + w.draw.IntN(2), partitions: 1 + w.draw.IntN(3),
		steps:     200 + w.draw.IntN(600),
		sameActor: pick(w, 0.0, 0.5, 0.9), faults: pick(w, 0.0, 0.3, 1), crashes: pick(w, 0.0, 0.002, 0.01),
		pauses: pick(w, 0.01, 0.05, 0.2), customers: pick(w, 0.01, 0.05, 0.2), backends: pick(w, 0.01, 0.05, 0.2),
		deliveries: pick(w, 0.05, 0.2, 0.5), losses: pick(w, 0, 0, 0.003, 0.01), catchUp: w.happens(0.5),
		redisSkew:  pick(w, 0, 0, time.Second, -time.Second, 2*time.Minute, -2*time.Minute),
		clockJumps: pick(w, 0, 2*time.Second, 10*time.Minute),
	}
	s.outages = pick(w, 0, 0, 0.002)
	s.rebuild = s.losses > 0 && w.happens(0.4)
	s.omitEvents = s.losses == 0 || s.rebuild
	s.catchUp = s.catchUp || s.losses > 0
	if s.losses == 0 {
		s.copies = pick(w, 0, 0.01)
	}
	s.verify = payment.Verifications[seed%3]
	w.settings = s
	w.hints = &hints{waiting: map[string][]chan struct{}{}, lose: func() bool { return w.fault(0.2) }}
	w.redis = newRedis(w, s.partitions)
	w.stripe = &stripe{sim: w, keys: map[string]storedResult{}, refundKeys: map[string]storedRefund{}}
	w.redis.skew = s.redisSkew
	for n := range s.orders {
		w.orders = append(w.orders, newOrder(payment.OrderID(fmt.Sprintf("order-%d", n+1))))
	}
	w.keepState()
	return w
}

// run runs the simulation to its end, or until an invariant is violated.
func (w *simulation) run() {
	defer w.stop()
	for range w.settings.replicas {
		w.startReplica()
	}
	for range w.settings.steps {
		if w.step(); w.failure != nil {
			return
		}
	}
	w.finish()
}

// stop ends all goroutines of the service.
func (w *simulation) stop() {
	for _, r := range slices.Clone(w.replicas) {
		w.crash(r)
	}
	for w.elapse(0); len(w.begun) > 0; w.elapse(time.Second) {
		w.conclude()
	}
}

// step executes one action.
func (w *simulation) step() {
	w.steps++
	w.elapse(time.Duration(1 + w.draw.Int64N(int64(3*time.Millisecond))))
	s := &w.settings
	switch {
	case w.happens(s.crashes):
		w.restart()
	case w.happens(s.losses):
		w.goBack()
	case w.happens(s.outages):
		w.outage()
	case w.happens(s.pauses):
		w.elapse(w.upTo(pick(w, time.Second, time.Second, 10*time.Second, time.Minute, 10*time.Minute)))
	case s.clockJumps > 0 && w.fault(0.003):
		w.jumpClock()
	case w.happens(s.customers) && w.customerActs():
	case w.happens(s.backends) && w.backendRequests():
	case w.happens(s.copies) && w.copyMetadata():
	case len(w.stripe.refunds) > 0 && w.happens(0.02):
		w.stripe.refundActs(pick(w, w.stripe.refunds...))
	case w.happens(s.deliveries) && w.deliver():
	case w.advanceCall():
	case w.happens(0.3) && w.backendRequests():
	case w.happens(0.3) && w.deliver():
	default:
		w.elapse(w.upTo(time.Second))
	}
	w.conclude()
}

// jumpClock sets Redis's clock forward or back, as a failover to another machine does.
func (w *simulation) jumpClock() {
	w.redis.skew = w.settings.redisSkew + w.upTo(2*w.settings.clockJumps) - w.settings.clockJumps
	w.tracef("Redis's clock is now %v ahead", w.redis.skew)
}

// elapse lets time pass, runs the timers, and waits until all goroutines are blocked.
func (w *simulation) elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// restart crashes a replica and starts another.
func (w *simulation) restart() {
	r := pick(w, w.replicas...)
	w.tracef("%s crashes", r.name)
	w.crash(r)
	synctest.Wait()
	w.conclude()
	w.startReplica()
}

// happens returns true with the given probability.
func (w *simulation) happens(likely float64) bool { return w.draw.Float64() < likely }

// fault draws whether a fault happens.
func (w *simulation) fault(likely float64) bool {
	return !w.faultsEnded && w.happens(likely*w.settings.faults)
}

func (w *simulation) upTo(d time.Duration) time.Duration {
	return time.Duration(w.draw.Int64N(int64(d)))
}

func pick[T any](w *simulation, all ...T) T { return all[w.draw.IntN(len(all))] }

// jitter replaces the service's random pauses.
func (w *simulation) jitter(most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.jitters.Int64N(int64(most)))
}

// reportedLines is the number of trace lines in a report.
const reportedLines = 400

// tracef writes a line of the trace.
func (w *simulation) tracef(format string, args ...any) {
	line := fmt.Sprintf("%d %s ", w.steps, time.Now().Format("15:04:05.000000")) + fmt.Sprintf(format, args...)
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, w.hash, line)
	w.hash = sum.Sum64()
	w.trace = append(w.trace, line)
}

// violated records the first violated invariant.
func (w *simulation) violated(format string, args ...any) {
	if w.failure == nil {
		w.tracef("VIOLATED: "+format, args...)
		w.failure = fmt.Errorf(format, args...)
	}
}

func (w *simulation) report() string {
	return fmt.Sprintf("seed %d, step %d: %v\n%+v\n%s",
		w.seed, w.steps, w.failure, w.settings, strings.Join(w.trace[max(0, len(w.trace)-reportedLines):], "\n"))
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return cmp.Or(string(codeOf(err)), err.Error())
}

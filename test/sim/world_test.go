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

	"kasse/service"
)

// world is some orders, the replicas that work on them, and a scheduler that lets one thing happen after the other.
type world struct {
	seed    uint64
	draw    *rand.Rand // the scheduler's; nobody else draws
	mutant  mutant
	mood    mood
	redis   *redis
	stripe  *stripe
	hints   *hints
	orders  []*order
	begun   []*operation // requests and deliveries under way
	born    int          // replicas
	actors  int
	steps   int
	calm    bool // the faults have stopped
	trace   []string
	hash    uint64
	failure error // the first invariant that broke
	last    *actor

	mu       sync.Mutex // of what the service's goroutines reach by themselves
	standing []*call
	replicas []*replica
	jitters  *rand.Rand
}

// mood is what one world is like, so that each lies in another corner of what is possible.
type mood struct {
	replicas   int
	orders     int
	steps      int
	stubborn   float64 // how likely whoever made the last call makes the next one too
	faults     float64 // how likely faults are, from 0 to 1
	crashes    float64
	late       float64 // how likely time passes, rather than a call is let go
	customers  float64
	backends   float64
	deliveries float64
	redisSkew  time.Duration
}

func newWorld(seed uint64, m mutant) *world {
	w := &world{seed: seed, mutant: m, draw: rand.New(rand.NewPCG(seed, 1)), jitters: rand.New(rand.NewPCG(seed, 2))}
	w.mood = mood{
		replicas: 1 + w.draw.IntN(3), orders: 1 + w.draw.IntN(2), steps: 200 + w.draw.IntN(600),
		stubborn: pick(w, 0.0, 0.5, 0.9), faults: pick(w, 0.0, 0.3, 1), crashes: pick(w, 0.0, 0.002, 0.01), late: pick(w, 0.01, 0.05, 0.2),
		customers: pick(w, 0.01, 0.05, 0.2), backends: pick(w, 0.01, 0.05, 0.2), deliveries: pick(w, 0.05, 0.2, 0.5),
		redisSkew: pick(w, 0, 0, time.Second, -time.Second, 2*time.Minute, -2*time.Minute),
	}
	w.hints = &hints{waiting: map[string][]chan struct{}{}, lose: func() bool { return w.fault(0.2) }}
	w.redis, w.stripe = newRedis(w), &stripe{world: w, keys: map[string]kept{}, refundKeys: map[string]keptRefund{}}
	w.redis.skew = w.mood.redisSkew
	for n := range w.mood.orders {
		w.orders = append(w.orders, newOrder(service.OrderID(fmt.Sprintf("order-%d", n+1))))
	}
	return w
}

// run plays the world to its end, or until something breaks.
func (w *world) run() {
	defer w.stop()
	for range w.mood.replicas {
		w.startReplica()
	}
	for range w.mood.steps {
		if w.step(); w.failure != nil {
			return
		}
	}
	w.quieten()
}

// stop ends whoever is still at work.
func (w *world) stop() {
	for _, r := range slices.Clone(w.replicas) {
		w.crash(r)
	}
	for w.elapse(0); len(w.begun) > 0; w.elapse(time.Second) {
		w.finish()
	}
}

// step lets one thing happen.
func (w *world) step() {
	w.steps++
	w.elapse(time.Duration(1 + w.draw.Int64N(int64(3*time.Millisecond))))
	switch {
	case w.happens(w.mood.crashes):
		w.restart()
	case w.happens(w.mood.late):
		w.elapse(w.upTo(pick(w, time.Second, time.Second, 10*time.Second, time.Minute, 10*time.Minute)))
	case w.fault(0.003):
		w.redis.skew += w.upTo(3*time.Second) - 1500*time.Millisecond // a failover, to a machine whose clock is another
	case w.happens(w.mood.customers) && w.customerActs():
	case w.happens(w.mood.backends) && w.backendAsks():
	case len(w.stripe.refunds) > 0 && w.happens(0.02):
		w.stripe.refundActs(pick(w, w.stripe.refunds...))
	case w.happens(w.mood.deliveries) && w.deliver():
	case w.letGo():
	case w.happens(0.3) && w.backendAsks():
	case w.happens(0.3) && w.deliver():
	default:
		w.elapse(w.upTo(time.Second))
	}
	w.finish()
}

// elapse lets time pass, and with it whatever waits for a moment; then waits until all stand or wait again.
func (w *world) elapse(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// restart crashes a replica, and starts another.
func (w *world) restart() {
	r := pick(w, w.replicas...)
	w.note("%s crashes", r.name)
	w.crash(r)
	synctest.Wait()
	w.finish()
	w.startReplica()
}

// letGo lets one call arrive, or its answer. It reports whether there was one.
func (w *world) letGo() bool {
	c, gone := w.choose()
	if c == nil {
		return false
	}
	w.last = c.actor
	switch {
	case c.done:
		w.reply(c)
	case gone && w.happens(0.5):
		w.remove(c)
		w.note("%s: %s %s never arrives", c.actor.name, c.name, c.about)
	case gone:
		w.arrive(c)
		w.remove(c)
	case w.fault(0.03):
		w.refuseCall(c)
	default:
		w.arrive(c)
		if w.happens(0.8) {
			w.reply(c)
		}
	}
	synctest.Wait()
	return true
}

// choose picks one of the calls that stand, and says whether its caller has gone.
func (w *world) choose() (c *call, gone bool) {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.standing, compareCalls)
	w.standing = slices.DeleteFunc(w.standing, func(c *call) bool {
		return c.gone && (c.done || w.calm || !c.writes() || time.Since(c.sent) > c.patient)
	})
	switch {
	case len(w.standing) == 0:
		return nil, false
	case w.calm:
		c = slices.MinFunc(w.standing, func(a, b *call) int { return a.sent.Compare(b.sent) })
		return c, c.gone
	}
	busy := slices.DeleteFunc(slices.Clone(w.standing), func(c *call) bool { return c.looks() || w.dawdles(c) })
	switch {
	case len(w.redis.reads) > 0 && w.happens(0.5), w.happens(0.05):
		c = pick(w, w.standing...)
	case len(busy) > 0:
		c = pick(w, busy...)
	default:
		return nil, false
	}
	if w.happens(w.mood.stubborn) {
		if at := slices.IndexFunc(busy, func(c *call) bool { return c.actor == w.last }); at >= 0 {
			c = busy[at]
		}
	}
	return c, c.gone
}

// dawdles reports whether a call is one of the few that take much longer than others: the more happens meanwhile.
func (w *world) dawdles(c *call) bool {
	if !c.seen {
		c.seen = true
		if w.fault(0.05) {
			c.slow = w.steps + w.draw.IntN(100)
		}
	}
	return w.steps < c.slow
}

// arrive lets a call take effect.
func (w *world) arrive(c *call) {
	c.value, c.err = c.do()
	c.done = true
	w.noteCall(c)
}

// reply lets the answer of a call arrive; or it is lost, or the client has sent the call again.
func (w *world) reply(c *call) {
	switch {
	case w.fault(0.03):
		w.note("%s: the answer to %s %s is lost", c.actor.name, c.name, c.about)
		c.value, c.err = nil, c.timedOut()
	case !c.toStripe() && w.fault(0.02):
		c.value, c.err = c.do()
		w.note("%s: %s %s is sent again: %s", c.actor.name, c.name, c.about, outcome(c.err))
	case c.toStripe() && c.writes() && c.err == nil && w.fault(0.03):
		w.note("%s: %s %s was sent again: an old answer", c.actor.name, c.name, c.about)
		c.value = w.stripe.repeated(c.value)
	}
	w.remove(c)
	close(c.answer)
}

// refuseCall answers instead of Redis or Stripe.
func (w *world) refuseCall(c *call) {
	c.err = storeAway()
	if c.toStripe() {
		code := pick(w, service.CodeStripeRateLimited, service.CodeStripeUnavailable, service.CodeStripeError, service.CodeIdempotencyInProgress)
		c.err = &service.Error{Code: code, Detail: "a fault", RetryAfter: time.Second}
	}
	w.note("%s: %s %s fails: %s", c.actor.name, c.name, c.about, outcome(c.err))
	w.remove(c)
	close(c.answer)
}

func (w *world) remove(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.standing = slices.DeleteFunc(w.standing, func(other *call) bool { return other == c })
}

// happens draws whether something does.
func (w *world) happens(likely float64) bool { return w.draw.Float64() < likely }

// fault draws whether a fault happens, by the world's mood.
func (w *world) fault(likely float64) bool { return !w.calm && w.happens(likely*w.mood.faults) }

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.draw.Int64N(int64(d))) }

func pick[T any](w *world, all ...T) T { return all[w.draw.IntN(len(all))] }

// jitter takes the place of the service's own chance.
func (w *world) jitter(most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.jitters.Int64N(int64(most)))
}

// kept lines of the trace.
const traced = 400

// note writes a line of the trace.
func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%d %s ", w.steps, time.Now().Format("15:04:05.000000")) + fmt.Sprintf(format, args...)
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, w.hash, line)
	w.hash = sum.Sum64()
	w.trace = append(w.trace, line)
}

// noteCall leaves out looks that found nothing, of which there are many.
func (w *world) noteCall(c *call) {
	if ids, _ := c.value.([]service.PaymentID); !c.looks() || len(ids) > 0 {
		w.note("%s: %s %s: %s", c.actor.name, c.name, c.about, outcome(c.err))
	}
}

// broke notes the first invariant that does not hold.
func (w *world) broke(format string, args ...any) {
	if w.failure == nil {
		w.note("BROKEN: "+format, args...)
		w.failure = fmt.Errorf(format, args...)
	}
}

func (w *world) report() string {
	return fmt.Sprintf("seed %d, step %d: %v\n%+v\n%s", w.seed, w.steps, w.failure, w.mood, strings.Join(w.trace[max(0, len(w.trace)-traced):], "\n"))
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return cmp.Or(string(codeOf(err)), err.Error())
}

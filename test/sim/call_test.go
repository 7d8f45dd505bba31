package sim_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"kasse/service"
)

// errDead is what a replica that has crashed hears of every call. Whatever it still does reaches nobody.
var errDead = errors.New("the replica has crashed")

// call is one call of the service to Redis or to Stripe. It stands until the scheduler lets it arrive, and then again
// until the scheduler lets its answer arrive: so whatever may happen in between does.
type call struct {
	replica *replica
	actor   *actor
	name    string // of the method
	about   string // what it is about, for the trace
	sent    time.Time
	do      func() (any, error) // its effect on Redis or on Stripe; only the scheduler runs it
	patient time.Duration       // after which the caller gives up

	seen   bool // by the scheduler
	slow   int  // the step before which it stands still
	done   bool // it has arrived, and its answer is under way
	gone   bool // nobody waits for the answer any more
	value  any
	err    error
	answer chan struct{}
}

// toStripe reports whether the call is one to Stripe.
func (c *call) toStripe() bool { return c.patient == stripeTimeout }

// writes reports whether the call changes anything: only then it matters whether it arrives when nobody waits for it.
func (c *call) writes() bool {
	return !strings.HasPrefix(c.name, "Load") && c.name != "RetrievePayment" && c.name != "FindPayment" && !c.looks()
}

// looks reports whether the call is one of those that are made again and again, and mostly find nothing to do.
func (c *call) looks() bool {
	return slices.Contains([]string{"TakeReads", "TakeSweeps", "ReadsDue", "AllowRead", "TakeLease"}, c.name)
}

// compareCalls puts the calls that stand into an order that does not depend on which goroutine came first.
func compareCalls(a, b *call) int {
	return cmp.Or(cmp.Compare(a.actor.number, b.actor.number), cmp.Compare(a.sent.UnixNano(), b.sent.UnixNano()),
		cmp.Compare(a.name, b.name), cmp.Compare(a.about, b.about))
}

// through stands before a call until it is answered, or until the caller's patience has ended.
func through[T any](ctx context.Context, r *replica, patient time.Duration, name, about string, do func() (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	c := &call{
		replica: r, actor: actorOf(ctx), name: name, about: about, sent: time.Now(), patient: patient, answer: make(chan struct{}),
		do: func() (any, error) { return do() },
	}
	if !r.world.stand(c) {
		return none, errDead
	}
	select {
	case <-c.answer:
	case <-ctx.Done():
		return none, r.world.giveUp(c)
	}
	value, _ := c.value.(T)
	return value, c.err
}

// stand adds a call to those that stand, unless its replica has crashed.
func (w *world) stand(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.replica.dead {
		w.standing = append(w.standing, c)
	}
	return !c.replica.dead
}

// giveUp is the end of a caller's patience. The call may be on its way all the same.
func (w *world) giveUp(c *call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.gone = true
	if c.replica.dead {
		return errDead
	}
	return c.timedOut()
}

func (c *call) timedOut() error {
	if c.toStripe() {
		return &service.Error{Code: service.CodeStripeTimeout, Detail: "the simulated Stripe did not answer"}
	}
	return storeAway()
}

func storeAway() error {
	return &service.Error{Code: service.CodeStoreUnavailable, Detail: "the simulated Redis did not answer", RetryAfter: time.Second}
}

// actor is whoever makes calls: a request, a delivery, or a worker.
type actor struct {
	number int
	name   string
}

type actorKey struct{}

func as(ctx context.Context, a *actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

func actorOf(ctx context.Context) *actor { a, _ := ctx.Value(actorKey{}).(*actor); return a }

package sim_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
)

// errDead is the error of every call of a crashed replica.
var errDead = errors.New("the replica has crashed")

// call is one call of the service to Redis or Stripe. It waits until the scheduler lets it arrive, and again
// until the scheduler lets its response arrive. Anything may happen in between.
type call struct {
	replica *replica
	actor   *actor
	name    string // method name
	subject string // its subject, for the trace
	sent    time.Time
	do      func() (any, error) // takes effect in Redis or Stripe; only the scheduler runs it
	timeout time.Duration       // after which the caller gives up

	seen      bool // the scheduler has decided whether it is slow
	slowUntil int  // the step until which it does not arrive
	done      bool // it has taken effect; its response is pending
	abandoned bool // its caller has given up
	value     any
	err       error
	answer    chan struct{}
}

// toStripe reports whether the call goes to Stripe.
func (c *call) toStripe() bool { return c.timeout == stripeTimeout }

// writes reports whether the call changes anything. Only such a call matters if it arrives after its caller
// has given up.
func (c *call) writes() bool {
	for _, prefix := range []string{"Load", "List", "Find", "RetrievePayment"} {
		if strings.HasPrefix(c.name, prefix) {
			return false
		}
	}
	return !c.polls()
}

// polls reports whether workers repeat the call and it mostly finds no work.
func (c *call) polls() bool {
	return slices.Contains([]string{
		"ClaimReads", "ClaimSweeps", "ClaimOrders", "ClaimRestores", "ReadsDue", "AllowRead", "IsUnknown",
		"AcquireLease",
	}, c.name)
}

// compareCalls orders pending calls independently of the goroutines' scheduling.
func compareCalls(a, b *call) int {
	return cmp.Or(cmp.Compare(a.actor.number, b.actor.number), cmp.Compare(a.sent.UnixNano(), b.sent.UnixNano()),
		cmp.Compare(a.name, b.name), cmp.Compare(a.subject, b.subject))
}

// makeCall makes a call and blocks until its response arrives or its timeout has passed.
func makeCall[T any](
	ctx context.Context, r *replica, timeout time.Duration, name, about string, do func() (T, error),
) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := &call{
		replica: r, actor: actorOf(ctx), name: name, subject: about, sent: time.Now(), timeout: timeout,
		answer: make(chan struct{}), do: func() (any, error) { return do() },
	}
	if !r.sim.enqueue(c) {
		return none, errDead
	}
	select {
	case <-c.answer:
	case <-ctx.Done():
		return none, r.sim.abandon(c)
	}
	value, _ := c.value.(T)
	return value, c.err
}

func toRedis[T any](ctx context.Context, r *replica, name, about string, do func() (T, error)) (T, error) {
	return makeCall(ctx, r, redisTimeout, name, about, do)
}

// changeRedis is toRedis for a call without a result.
func changeRedis(ctx context.Context, r *replica, name, about string, do func()) error {
	_, err := toRedis(ctx, r, name, about, func() (any, error) { do(); return nil, nil })
	return err
}

func toStripe[T any](ctx context.Context, r *replica, name, about string, do func() (T, error)) (T, error) {
	return makeCall(ctx, r, stripeTimeout, name, about, do)
}

// enqueue adds a call to the pending ones. It returns false if its replica has crashed.
func (w *simulation) enqueue(c *call) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !c.replica.dead {
		w.pending = append(w.pending, c)
	}
	return !c.replica.dead
}

// abandon records that the caller has given up. The call may still arrive.
func (w *simulation) abandon(c *call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.abandoned = true
	if c.replica.dead {
		return errDead
	}
	return c.timedOut()
}

func (c *call) timedOut() error {
	if c.toStripe() {
		return &payment.Error{Code: payment.CodeStripeTimeout, Detail: "the simulated Stripe did not answer"}
	}
	return redisUnreachable()
}

func redisUnreachable() error {
	return &payment.Error{
		Code: payment.CodeStoreUnavailable, Detail: "the simulated Redis did not answer", RetryAfter: time.Second,
	}
}

// actor makes calls: a request, a delivery or a worker.
type actor struct {
	number int
	name   string
	create bool // it is a create request
}

type actorKey struct{}

// as returns a context for the calls of an actor.
func as(ctx context.Context, a *actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

func actorOf(ctx context.Context) *actor { a, _ := ctx.Value(actorKey{}).(*actor); return a }

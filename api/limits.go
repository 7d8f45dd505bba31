package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// Limits are the rate limits of the callers.
type Limits struct {
	Service  Limit            // of one service key
	Frontend Limit            // of the tokens of one order, and of the client secret of one payment
	Stripe   Limit            // of the tokens of one order, for requests that reach Stripe
	Address  Limit            // of refused credentials from one address, or one /64 of IPv6
	Shared   SharedQuotas     // counts what changes something; nil: every process counts for itself
	Now      func() time.Time // needed where there is a limit
}

// SharedQuotas counts for all replicas together.
type SharedQuotas interface {
	// UseQuota uses one of the name's requests in a period. It returns how many are left, or the time until
	// the next one. An error means that the request was not counted. Counting one twice does no harm.
	UseQuota(ctx context.Context, name string, count int, per time.Duration) (left int, wait time.Duration, err error)
}

// sharedBound is how long a request waits to be counted in Redis, before this process counts it.
const sharedBound = 250 * time.Millisecond

// counted is a limit with those who have used it.
type counted struct {
	*quota
	name   string   // in the header fields
	what   string   // it limits, for people
	policy []string // as the header contains it
	quiet  bool     // only a refusal has the header
}

// stripeCeiling limits the requests with order tokens that reach Stripe, over all orders and replicas: half
// of Stripe's limit for one endpoint.
var stripeCeiling = Limit{Count: 12, Per: time.Second}

// As net/http writes them; HTTP makes no difference.
const (
	headerRateLimit       = "Ratelimit"
	headerRateLimitPolicy = "Ratelimit-Policy"
)

func newCounted(l Limit, now func() time.Time, name, what string) counted {
	policy := []string{fmt.Sprintf(`"%s";q=%d;w=%d`, name, l.Count, wholeSeconds(l.Per))}
	return counted{quota: newQuota(l, now), name: name, what: what, policy: policy}
}

// counters are the limits of the API. A refused credential counts for its address only, and a verified one
// never does. So guesses cannot use up the quota of the credential's holder, nor one client's mistakes that
// of others behind the same address.
type counters struct {
	service, frontend, address counted
	stripe, ceiling            counted // of tokens, for requests that reach Stripe: of one order, and of all
	contract                   counted // openapi.yaml for one address

	shared SharedQuotas
	away   atomic.Bool // the shared quotas, when last asked
}

func newCounters(l Limits) *counters {
	ceiling := stripeCeiling
	if l.Stripe.Count == 0 {
		ceiling = Limit{}
	}
	c := &counters{
		service:  newCounted(l.Service, l.Now, "service", "requests with one service key"),
		frontend: newCounted(l.Frontend, l.Now, "frontend", "requests for one order or payment"),
		address:  newCounted(l.Address, l.Now, "address", "refused credentials from one address"),
		stripe:   newCounted(l.Stripe, l.Now, "frontend", "creates and sessions with the tokens of one order"),
		ceiling:  newCounted(ceiling, l.Now, "frontend", "creates and sessions with the tokens of all orders"),
		contract: newCounted(l.Address, l.Now, "address", "requests for the contract from one address"),
		shared:   l.Shared,
	}
	c.stripe.quiet, c.ceiling.quiet = true, true
	return c
}

// limitCaller counts a request with a verified credential. A client secret is not verified yet: see
// limitHolder.
func (a *api) limitCaller(c echo.Context) error {
	take := a.takeShared
	if method := c.Request().Method; method == http.MethodGet || method == http.MethodHead {
		take = takeHere // a poll costs one trip to Redis, not two
	}
	switch x := infoOf(c); x.credential {
	case serviceKey:
		return a.limit(c, a.counters.service, x.caller.Key, take)
	case orderToken:
		return a.limit(c, a.counters.frontend, "order:"+string(x.caller.Order), take)
	}
	return nil
}

// limitStripe counts a request with an order token that reaches Stripe: a create, or a session.
func (a *api) limitStripe(c echo.Context) error {
	x := infoOf(c)
	if x.credential != orderToken || c.Request().Method != http.MethodPost {
		return nil
	}
	if err := a.limit(c, a.counters.stripe, "stripe:order:"+string(x.caller.Order), a.takeShared); err != nil {
		return err
	}
	return a.limit(c, a.counters.ceiling, "stripe", a.takeShared)
}

// limitHolder counts a read by client secret, which the service has compared by now. A refused one is counted by
// refusalBy.
func (a *api) limitHolder(c echo.Context, id payment.ID, err error) error {
	if err != nil || infoOf(c).credential != clientSecret {
		return err
	}
	return a.limit(c, a.counters.frontend, "payment:"+string(id), takeHere)
}

// refusalBy returns what is called before a question about another's payment, or a missing one, may be queued for
// Stripe. A client secret is then a guess, and counts for its address; over the limit nothing is queued. A token
// has been counted for its order.
func (a *api) refusalBy(c echo.Context) service.Refusal {
	x := infoOf(c)
	if x.credential == orderToken {
		return func() (string, error) { return "order:" + string(x.caller.Order), nil }
	}
	return func() (string, error) {
		address := a.proxies.client(c.Request())
		return "address:" + address, a.limit(c, a.counters.address, address, takeHere)
	}
}

// limitRefused counts a refused credential. It returns the reason of the refusal, or 429. An expired token
// always gets its own error, since its page then fetches a new one, which it would not do after 429.
func (a *api) limitRefused(c echo.Context, refused error) error {
	err := a.limit(c, a.counters.address, a.proxies.client(c.Request()), takeHere)
	var r *refusal
	if err == nil || (errors.As(refused, &r) && r.code == codeTokenExpired) {
		return refused
	}
	return err
}

// taking counts a request with a quota: takeHere or takeShared.
type taking func(c echo.Context, limit counted, key string) (left int, wait time.Duration)

func takeHere(_ echo.Context, limit counted, key string) (left int, wait time.Duration) {
	return limit.take(key)
}

// takeShared counts in Redis, or here at the same figures while Redis is away.
func (a *api) takeShared(c echo.Context, limit counted, key string) (left int, wait time.Duration) {
	if a.counters.shared == nil {
		return limit.take(key)
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), sharedBound)
	defer cancel()
	left, wait, err := a.counters.shared.UseQuota(ctx, limit.name+":"+key, limit.Count, limit.Per)
	if err != nil {
		left, wait = limit.take(key)
	}
	if away := err != nil; c.Request().Context().Err() == nil && a.counters.away.Swap(away) != away {
		if away {
			a.Logger.WarnContext(ctx, "rate limits: shared store unavailable, counting per process", "error", err)
		} else {
			a.Logger.InfoContext(ctx, "rate limits: shared store available again")
		}
	}
	return left, wait
}

// limit counts the request, sets the response headers, and refuses the request over the limit.
func (a *api) limit(c echo.Context, limit counted, key string, take taking) error {
	if limit.Count == 0 {
		return nil
	}
	left, wait := take(c, limit, key)
	if limit.quiet && wait == 0 {
		return nil
	}
	h := c.Response().Header()
	whole := limit.Per * time.Duration(limit.Count-left) / time.Duration(limit.Count)
	h[headerRateLimit] = []string{
		`"` + limit.name + `";r=` + strconv.Itoa(left) + `;t=` + strconv.Itoa(wholeSeconds(whole)),
	}
	h[headerRateLimitPolicy] = limit.policy
	if wait == 0 {
		return nil
	}
	detail := fmt.Sprintf("The limit is %d %s per %s.", limit.Count, limit.what, periods[limit.Per])
	return &payment.Error{Code: codeRateLimited, Detail: detail, RetryAfter: wait}
}

var periods = map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour"}

func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

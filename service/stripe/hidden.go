package stripe

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"time"
)

// reviewsRetry is the time after which reviews are expanded again once Stripe has refused it. The key may
// have got the permission.
const reviewsRetry = time.Hour

// withReviews makes a call that expands the review of the PaymentIntent at path. Stripe refuses the whole
// call if a restricted key may not read reviews. It is then repeated without the expansion, and only events
// report reviews.
func (g *Gateway) withReviews(ctx context.Context, path string, query url.Values, call func(url.Values) error) error {
	if g.Now().UnixNano() < g.reviewsHidden.Load() {
		return call(query)
	}
	member := "expand[" + strconv.Itoa(len(query)) + "]"
	query.Set(member, path)
	err := call(query)
	if !forbidden(err) {
		return err
	}
	query.Del(member)
	if err = call(query); err == nil {
		g.reviewsHidden.Store(g.Now().Add(reviewsRetry).UnixNano())
		g.logger().WarnContext(ctx, "the Stripe key may not read Radar reviews, so payments are read without them; "+
			"give it read access to reviews, or select review.opened and review.closed at the webhook endpoint")
	}
	return err
}

func (g *Gateway) logger() *slog.Logger {
	if g.Logger == nil {
		return slog.Default()
	}
	return g.Logger
}

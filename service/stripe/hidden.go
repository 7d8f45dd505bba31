package stripe

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"time"
)

// reviewsRetry is how long no review is asked for after Stripe has refused one. Permissions may be added to a key.
const reviewsRetry = time.Hour

// withReviews makes a call that expands the review of a PaymentIntent, at a path. Stripe refuses the whole call to a
// restricted key that may not read reviews: then the call is made again without, and reviews are known by events only.
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
		g.logger().WarnContext(ctx, "the Stripe key may not read Radar's reviews, so that payments are read without them; "+
			"give it read access to reviews, or tick review.opened and review.closed at the webhook endpoint")
	}
	return err
}

func (g *Gateway) logger() *slog.Logger {
	if g.Logger == nil {
		return slog.Default()
	}
	return g.Logger
}

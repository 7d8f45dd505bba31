package push

import (
	"math/rand/v2"
	"time"
)

// retryDelays are the pauses after the first failed try, the second, and so on. The long ones are those of
// Standard Webhooks; the steps between 5 s and 5 min are ours. An event becomes a dead letter after 13 tries
// in a little more than three days. Source:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
var retryDelays = []time.Duration{
	5 * time.Second, 15 * time.Second, 45 * time.Second, 2 * time.Minute, 5 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// maxRetryAfter limits an endpoint's Retry-After.
const maxRetryAfter = 24 * time.Hour

// retryDelay returns the pause after so many failed tries before this one, and whether the
// endpoint's Retry-After set it. The planned pause varies by a tenth, so that deliveries that
// failed together do not come back together.
func retryDelay(tries int, retryAfter time.Duration) (delay time.Duration, asked bool) {
	planned := retryDelays[min(tries, len(retryDelays)-1)]
	planned += rand.N(planned/5) - planned/10 //nolint:gosec // no secret
	if retryAfter > planned {
		return min(retryAfter, maxRetryAfter), true
	}
	return planned, false
}

// lastTry reports whether a delivery with this number of failed tries becomes a dead letter if it fails
// again.
func lastTry(tries int) bool { return tries >= len(retryDelays) }

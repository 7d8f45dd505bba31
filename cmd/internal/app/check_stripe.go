package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"kasse/service/payment"
	"kasse/service/stripe"
)

const aboutStripe = "stripe"

// skewWrong is the age at which api refuses the tokens of other clocks; skewOdd is more than a clock that is kept
// may show.
const (
	skewWrong = time.Minute
	skewOdd   = 5 * time.Second
)

// stripe returns the account of the key, empty where Stripe did not say.
func (c *checkup) stripe(ctx context.Context, a *App) string {
	hello, err := a.gateway.Greet(ctx)
	switch {
	case errors.Is(err, stripe.ErrKeyRefused):
		c.say(
			levelWrong, aboutStripe,
			"STRIPE_SECRET_KEY is not a key that Stripe knows (any more): take it anew from the Dashboard",
		)
		return ""
	case errors.Is(err, stripe.ErrNotAllowed):
		c.say(
			levelWarning, aboutStripe,
			"the restricted key may not read its account, which keeps Redis apart from other accounts: give it read access where the Dashboard offers it (docs/stripe.md)",
		)
	case err != nil:
		c.say(
			levelWrong, aboutStripe, "%s does not answer (%v): see that this machine may reach it",
			c.StripeAPIBase, err,
		)
		return ""
	default:
		c.say(levelOK, aboutStripe, "answers; account %s", hello.Account)
	}
	c.clock(hello.Ahead)
	c.endpoints(ctx, a)
	return hello.Account
}

func (c *checkup) clock(ahead time.Duration) {
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	switch {
	case ahead.Abs() > skewWrong:
		c.say(
			levelWrong, aboutStripe,
			"the clock of this machine is %s %s Stripe's: signatures and tokens will be refused; let it be set by NTP",
			ahead.Abs(), where,
		)
	case ahead.Abs() > skewOdd:
		c.say(
			levelWarning, aboutStripe, "the clock of this machine is %s %s Stripe's: let it be set by NTP",
			ahead.Abs(), where,
		)
	default:
		c.say(levelOK, aboutStripe, "the clocks agree")
	}
}

// webhookPath is the end of the address that Stripe has to be given.
const webhookPath = "/webhooks/stripe"

// neededEvents are those of stripe.EventTypes without which a state is wrong until a sweep reads it; without the
// others money that comes in parts, or is given back, is known late.
var neededEvents = payment.StripeEventsWith(payment.NeedState)

func (c *checkup) endpoints(ctx context.Context, a *App) {
	all, err := a.gateway.Endpoints(ctx)
	switch {
	case errors.Is(err, stripe.ErrNotAllowed):
		c.say(
			levelWarning, aboutStripe,
			"the webhook endpoints were not looked at: the restricted key may not read them",
		)
		return
	case err != nil:
		c.say(levelWarning, aboutStripe, "the webhook endpoints could not be listed: %v", err)
		return
	}
	ours := slices.DeleteFunc(all, func(e stripe.Endpoint) bool {
		path, _, _ := strings.Cut(e.URL, "?")
		return !strings.HasSuffix(path, webhookPath)
	})
	if len(ours) == 0 {
		c.say(
			levelWarning, aboutStripe,
			"no webhook endpoint ends in %s: create one, unless events come by another way (stripe listen)",
			webhookPath,
		)
	}
	for _, e := range ours {
		c.endpoint(e)
	}
}

func (c *checkup) endpoint(e stripe.Endpoint) {
	address, _, _ := strings.Cut(e.URL, "?") // what follows may be a secret
	switch missing, late := missing(e.Events, neededEvents), missing(e.Events, stripe.EventTypes); {
	case e.Status != "enabled":
		c.say(levelWrong, aboutStripe, "the webhook endpoint %s is %s: switch it on", address, e.Status)
	case len(missing) > 0:
		c.say(
			levelWrong, aboutStripe, "the webhook endpoint %s misses events: tick %s", address,
			strings.Join(missing, " "),
		)
	case len(late) > 0:
		c.say(
			levelWarning, aboutStripe,
			"the webhook endpoint %s lets Kasse see some changes late, such as refunds: tick %s", address,
			strings.Join(late, " "),
		)
	case e.APIVersion != "" && e.APIVersion < oldestAPIVersion:
		c.say(
			levelWarning, aboutStripe,
			"the webhook endpoint %s is on API version %s, whose events leave more doubts that cost a read each: use %s or later",
			address, e.APIVersion, oldestAPIVersion,
		)
	default:
		c.say(levelOK, aboutStripe, "the webhook endpoint %s has the events", address)
	}
	if details := missing(e.Events, stripe.DetailEventTypes); len(details) > 0 {
		c.say(
			levelWarning, aboutStripe,
			"the webhook endpoint %s lets Kasse see late with what was paid, or that Radar reviews a payment: tick %s",
			address, strings.Join(details, " "),
		)
	}
}

// oldestAPIVersion is the first in which a PaymentIntent names its latest charge.
const oldestAPIVersion = "2022-11-15"

func missing(enabled, wanted []string) []string {
	if slices.Contains(enabled, "*") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(kind string) bool { return slices.Contains(enabled, kind) })
}

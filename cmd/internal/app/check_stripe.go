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

// skewWrong is the difference at which api refuses tokens of other clocks. skewOdd is more than a
// synchronized clock should have.
const (
	skewWrong = time.Minute
	skewOdd   = 5 * time.Second
)

// stripe returns the key's account, or "" if Stripe did not answer.
func (c *checkup) stripe(ctx context.Context, a *App) string {
	hello, err := a.gateway.Probe(ctx)
	switch {
	case errors.Is(err, stripe.ErrKeyRefused):
		c.report(
			levelWrong, aboutStripe,
			"Stripe does not know STRIPE_SECRET_KEY, or it was revoked: copy a current key from the Dashboard",
		)
		return ""
	case errors.Is(err, stripe.ErrNotAllowed):
		c.report(
			levelWarning, aboutStripe,
			"the restricted key may not read its account, so Kasse cannot recognise events of other accounts: give "+
				"it read access to the account if the Dashboard offers that (docs/stripe.md)",
		)
	case err != nil:
		c.report(
			levelWrong, aboutStripe, "%s does not answer (%v): make sure that this machine can reach it",
			c.StripeAPIBase, err,
		)
		return ""
	default:
		c.report(levelOK, aboutStripe, "answers; account %s", hello.Account)
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
		c.report(
			levelWrong, aboutStripe,
			"the clock of this machine is %s %s Stripe's: signatures and tokens will be refused; synchronize it by NTP",
			ahead.Abs(), where,
		)
	case ahead.Abs() > skewOdd:
		c.report(
			levelWarning, aboutStripe, "the clock of this machine is %s %s Stripe's: synchronize it by NTP",
			ahead.Abs(), where,
		)
	default:
		c.report(levelOK, aboutStripe, "the clocks agree")
	}
}

// webhookPath is the path of the webhook endpoint's URL.
const webhookPath = "/webhooks/stripe"

// neededEvents are event types without which a state is wrong until a sweep reads the payment. Without the
// other types, partial payments and refunds are noticed late.
var neededEvents = payment.StripeEventsWith(payment.NeedState)

func (c *checkup) endpoints(ctx context.Context, a *App) {
	all, err := a.gateway.Endpoints(ctx)
	switch {
	case errors.Is(err, stripe.ErrNotAllowed):
		c.report(
			levelWarning, aboutStripe,
			"the webhook endpoints were not checked: the restricted key may not read them",
		)
		return
	case err != nil:
		c.report(levelWarning, aboutStripe, "the webhook endpoints could not be listed: %v", err)
		return
	}
	ours := slices.DeleteFunc(all, func(e stripe.Endpoint) bool {
		path, _, _ := strings.Cut(e.URL, "?")
		return !strings.HasSuffix(path, webhookPath)
	})
	if len(ours) == 0 {
		c.report(
			levelWarning, aboutStripe,
			"no webhook endpoint's URL ends in %s: create one, unless events arrive another way (stripe listen)",
			webhookPath,
		)
	}
	for _, e := range ours {
		c.endpoint(e)
	}
}

func (c *checkup) endpoint(e stripe.Endpoint) {
	address, _, _ := strings.Cut(e.URL, "?") // the query may contain a secret
	switch missing, late := missing(e.Events, neededEvents), missing(e.Events, stripe.EventTypes); {
	case e.Status != "enabled":
		c.report(levelWrong, aboutStripe, "the webhook endpoint %s is %s: enable it", address, e.Status)
	case len(missing) > 0:
		c.report(
			levelWrong, aboutStripe, "the webhook endpoint %s misses events: select %s", address,
			strings.Join(missing, " "),
		)
	case len(late) > 0:
		c.report(
			levelWarning, aboutStripe,
			"without more events at the webhook endpoint %s Kasse notices some changes late, such as refunds: "+
				"select %s", address,
			strings.Join(late, " "),
		)
	case e.APIVersion != "" && e.APIVersion < oldestAPIVersion:
		c.report(
			levelWarning, aboutStripe,
			"the webhook endpoint %s uses API version %s, whose events are more often ambiguous and then cost a "+
				"read: use %s or later",
			address, e.APIVersion, oldestAPIVersion,
		)
	default:
		c.report(levelOK, aboutStripe, "the webhook endpoint %s has the events", address)
	}
	if details := missing(e.Events, stripe.DetailEventTypes); len(details) > 0 {
		c.report(
			levelWarning, aboutStripe,
			"without more events at the webhook endpoint %s Kasse learns payment method details and Radar reviews "+
				"late: select %s",
			address, strings.Join(details, " "),
		)
	}
}

// oldestAPIVersion is the first version in which a PaymentIntent has latest_charge.
const oldestAPIVersion = "2022-11-15"

func missing(enabled, wanted []string) []string {
	if slices.Contains(enabled, "*") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(kind string) bool { return slices.Contains(enabled, kind) })
}

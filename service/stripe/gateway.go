// Package stripe calls Stripe's API and decodes its events. It is the only user of stripe-go. It uses the transport
// of stripe-go (retries, idempotency keys, errors) and its check of signatures.
//
// One invariant: answers and events are decoded by the same small structs of this package. So a PaymentIntent from an
// answer equals one from an event, in any API version, and a member that Kasse does not use cannot break the
// decoding. (stripe-go's webhook.ConstructEvent refuses every API version but its own.) The package never returns
// Stripe's error texts, because some of them contain client secrets.
package stripe

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// Options is the configuration of the gateway.
type Options struct {
	SecretKey      payment.Secret   // "sk_…" or "rk_…"
	WebhookSecrets []payment.Secret // "whsec_…"; every one is tried
	BaseURL        string           // STRIPE_API_BASE
	Service        string           // SERVICE_NAME, written into metadata
	Timeout        time.Duration    // limit of one call with all its tries
	Now            func() time.Time
	Transport      http.RoundTripper // nil: the gateway makes its own
	Observer       Observer          // may be nil
	Logger         *slog.Logger      // nil: slog's default
	// Wrap wraps the transport of each try, for instance to trace it; may be nil.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Observer is called for every try of every call, with the operation (see Operation), the status (0 without a
// response), and the time until the response's header.
type Observer interface {
	CallMade(operation string, status int, took time.Duration)
}

// Gateway implements the service's Stripe port. Its methods may be called from several goroutines.
type Gateway struct {
	Options
	backend       *stripego.BackendImplementation
	reviewsHidden atomic.Int64 // Unix nanoseconds; until then reviews are not expanded, see withReviews
}

// tries is the maximum number of tries of one call.
const tries = 3

// New returns a gateway.
func New(o Options) *Gateway {
	backend := stripego.GetBackendWithConfig(stripego.APIBackend, &stripego.BackendConfig{
		URL:               new(o.BaseURL),
		HTTPClient:        newHTTPClient(o),
		LeveledLogger:     &stripego.LeveledLogger{Level: stripego.LevelNull}, // its debug log contains whole bodies
		MaxNetworkRetries: new(int64(tries - 1)),
		EnableTelemetry:   new(false),
	})
	return &Gateway{Options: o, backend: backend.(*stripego.BackendImplementation)}
}

// call makes one call with all its tries. Without a key stripe-go makes a new one.
func (g *Gateway) call(
	ctx context.Context, method, path, key string, values url.Values, into stripego.LastResponseSetter,
) (repeated bool, err error) {
	return g.send(ctx, stripego.APIVersion, method, path, key, wireOf(values), into)
}

// send is call with a rendered form and a chosen API version.
func (g *Gateway) send(
	ctx context.Context, version, method, path, key, form string, into stripego.LastResponseSetter,
) (repeated bool, err error) {
	if end, bounded := ctx.Deadline(); !bounded || end.Sub(g.Now()) > g.Timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, g.Timeout)
		defer cancel()
	}
	ctx, sent := countTries(ctx)
	err = g.do(ctx, version, method, path, key, form, into)
	return sent.Load() > 1, g.translateError(ctx, err)
}

// do makes one call by stripe-go, which repeats it if needed. The form of a GET goes into the URL.
func (g *Gateway) do(
	ctx context.Context, version, method, path, key, form string, into stripego.LastResponseSetter,
) error {
	params := &stripego.Params{Context: ctx}
	if key != "" {
		params.IdempotencyKey = &key
	}
	if method == http.MethodGet && form != "" {
		path, form = path+"?"+form, ""
	}
	request, err := g.backend.NewRequest(method, path, g.SecretKey.Reveal(), contentForm, params)
	if err != nil {
		return err
	}
	request.Header.Set("Stripe-Version", version)
	return g.backend.Do(request, bytes.NewBufferString(form), into)
}

const contentForm = "application/x-www-form-urlencoded"

// mobileVersion is the first API version with the component for native apps. stripe-go's own version lacks
// it.
//
// Source: https://docs.stripe.com/changelog
const mobileVersion = "2025-10-29.clover"

// PaymentForm renders the request of an order's attempt, with the order's terms.
func (g *Gateway) PaymentForm(r payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string {
	f := make(form, 0, 16+len(r.Metadata))
	f.add("amount", strconv.FormatInt(terms.Amount, 10))
	f.add("currency", terms.Currency)
	f.add("automatic_payment_methods[enabled]", "true")
	f.add("capture_method", string(terms.CaptureMethod))
	f.addUnlessEmpty("customer", string(terms.Customer))
	f.addUnlessEmpty("setup_future_usage", terms.SetupFutureUsage)
	f.addUnlessEmpty("description", r.Description)
	f.addUnlessEmpty("receipt_email", r.ReceiptEmail)
	f.addUnlessEmpty("statement_descriptor_suffix", r.StatementDescriptorSuffix)
	f.addUnlessEmpty("payment_method_configuration", r.MethodConfiguration)
	f.addShipping(r.Shipping)
	for key, value := range r.Metadata {
		f.add("metadata["+key+"]", value)
	}
	f.add("metadata[kasse_service]", g.Service)
	f.add("metadata[kasse_order_id]", string(r.Order))
	f.add("metadata[kasse_attempt]", strconv.Itoa(attempt))
	f.add("metadata[kasse_rev]", strconv.FormatInt(rev, 10))
	return f.encode()
}

func (f *form) addShipping(s *payment.Shipping) {
	if s == nil {
		return
	}
	for name, value := range map[string]string{
		"[name]": s.Name, "[phone]": s.Phone, "[carrier]": s.Carrier, "[tracking_number]": s.TrackingNumber,
		"[address][line1]": s.Address.Line1, "[address][line2]": s.Address.Line2, "[address][city]": s.Address.City,
		"[address][state]": s.Address.State, "[address][postal_code]": s.Address.PostalCode,
		"[address][country]": s.Address.Country,
	} {
		f.addUnlessEmpty("shipping"+name, value)
	}
}

func setUnlessEmpty(f url.Values, key, value string) {
	if value != "" {
		f.Set(key, value)
	}
}

// OpenPayment makes a PaymentIntent, or returns the one that the same key made. The form is from PaymentForm.
func (g *Gateway) OpenPayment(ctx context.Context, idempotencyKey, form string) (payment.Answer, error) {
	return g.postForm(ctx, "/v1/payment_intents", idempotencyKey, wireForm(form))
}

// UpdateAmount sets a PaymentIntent's amount, in minor units, and the rev of its terms, in Unix milliseconds.
// Stripe makes no event for it, so the response is the only notification.
func (g *Gateway) UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error) {
	return g.post(
		ctx, intentPath(id),
		url.Values{"amount": {strconv.FormatInt(amount, 10)}, "metadata[kasse_rev]": {strconv.FormatInt(rev, 10)}},
	)
}

// CancelPayment cancels a PaymentIntent; reason is Stripe's or empty.
func (g *Gateway) CancelPayment(ctx context.Context, id payment.ID, reason string) (payment.Answer, error) {
	var f form
	f.addUnlessEmpty("cancellation_reason", reason)
	return g.postForm(ctx, intentPath(id)+"/cancel", "", f.wire())
}

// CapturePayment captures the amount, in minor units. The rest is released.
func (g *Gateway) CapturePayment(ctx context.Context, id payment.ID, amount int64) (payment.Answer, error) {
	return g.post(ctx, intentPath(id)+"/capture", url.Values{"amount_to_capture": {strconv.FormatInt(amount, 10)}})
}

// RecordClosed writes into a PaymentIntent's metadata that its order was closed, with the reason. Stripe
// accepts that in every status.
//
// Source: https://docs.stripe.com/api/payment_intents/update
func (g *Gateway) RecordClosed(ctx context.Context, id payment.ID, why payment.Closure) error {
	_, err := g.post(ctx, intentPath(id), url.Values{"metadata[kasse_closed]": {string(why)}})
	return err
}

// RecordForgotten writes into a PaymentIntent's metadata that Kasse has removed its personal data. Stripe
// accepts that in every status.
func (g *Gateway) RecordForgotten(ctx context.Context, id payment.ID) error {
	_, err := g.post(ctx, intentPath(id), url.Values{"metadata[kasse_forgotten]": {"true"}})
	return err
}

// post makes a call that returns a PaymentIntent. The response to a call that was sent several times may be
// an old one.
func (g *Gateway) post(ctx context.Context, path string, values url.Values) (payment.Answer, error) {
	return g.postForm(ctx, path, "", wireOf(values))
}

func (g *Gateway) postForm(ctx context.Context, path, key, form string) (payment.Answer, error) {
	var a answer
	repeated, err := g.send(ctx, stripego.APIVersion, http.MethodPost, path, key, form, &a)
	if err != nil {
		return payment.Answer{}, err
	}
	return a.read(repeated, g.Now)
}

// RetrievePayment reads a PaymentIntent. It expands the charge, which alone has the capture deadline, the
// payment method details and the refunds. It also expands the review.
func (g *Gateway) RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error) {
	var a answer
	query := url.Values{"expand[0]": {"latest_charge"}, "expand[1]": {"latest_charge.refunds"}}
	err := g.withReviews(ctx, "review", query, func(query url.Values) error {
		_, err := g.call(ctx, http.MethodGet, intentPath(id), "", query, &a)
		return err
	})
	if err != nil {
		return payment.Answer{}, err
	}
	answered, err := a.read(false, g.Now)
	if err != nil || a.AmountReceived == 0 {
		return answered, err
	}
	answered.Reversals, err = g.reversals(ctx, &a.intent)
	return answered, err
}

func intentPath(id payment.ID) string { return "/v1/payment_intents/" + string(id) }

// Account returns the id of the key's account, "acct_…".
func (g *Gateway) Account(ctx context.Context) (string, error) {
	var a struct {
		stripego.APIResource
		ID string `json:"id"`
	}
	_, err := g.call(ctx, http.MethodGet, "/v1/account", "", nil, &a)
	return a.ID, err
}

// AnyPayment reports whether Stripe has a PaymentIntent of this service. Search lags by about a minute.
//
// Source: https://docs.stripe.com/search
func (g *Gateway) AnyPayment(ctx context.Context) (bool, error) {
	var found struct {
		stripego.APIResource
		Data []struct{} `json:"data"`
	}
	query := url.Values{"query": {"metadata['kasse_service']:'" + g.Service + "'"}, "limit": {"1"}}
	_, err := g.call(ctx, http.MethodGet, "/v1/payment_intents/search", "", query, &found)
	return len(found.Data) > 0, err
}

// Package stripe calls Stripe's API and decodes its events. It is the only user of stripe-go. It uses the transport
// of stripe-go (retries, idempotency keys, errors) and its check of signatures.
//
// One invariant: answers and events are decoded by the same small structs of this package. So a PaymentIntent from an
// answer equals one from an event, in any API version, and a member that Kasse does not use cannot break the
// decoding. (stripe-go's webhook.ConstructEvent refuses every API version but its own.) The package never returns
// Stripe's error texts, because some of them contain client secrets.
package stripe

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	stripego "github.com/stripe/stripe-go/v79"
	"github.com/stripe/stripe-go/v79/form"

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
	Asked(operation string, status int, took time.Duration)
}

// Gateway implements the service's Stripe port. Its methods may be called from several goroutines.
type Gateway struct {
	Options
	backend       stripego.Backend
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
	return &Gateway{Options: o, backend: backend}
}

// call makes one call with all its tries. Without a key stripe-go makes a new one.
func (g *Gateway) call(
	ctx context.Context, method, path, key string, values url.Values, into stripego.LastResponseSetter,
) (repeated bool, err error) {
	return g.callIn(ctx, stripego.APIVersion, method, path, key, values, into)
}

// callIn is call with a chosen API version.
func (g *Gateway) callIn(
	ctx context.Context, version, method, path, key string, values url.Values, into stripego.LastResponseSetter,
) (repeated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	ctx, sent := countTries(ctx)
	params := &stripego.Params{Context: ctx, Headers: http.Header{"Stripe-Version": {version}}}
	if key != "" {
		params.IdempotencyKey = new(key)
	}
	err = g.backend.CallRaw(method, path, g.SecretKey.Reveal(), ordered(values), params, into)
	return sent.Load() > 1, g.translateError(ctx, err)
}

// mobileVersion is the first API version with the component for native apps. stripe-go's own version lacks
// it.
//
// Source: https://docs.stripe.com/changelog
const mobileVersion = "2025-10-29.clover"

// ordered renders values in a fixed order, so that a repeated form is the same byte for byte.
func ordered(values url.Values) *form.Values {
	sorted := &form.Values{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[key] {
			sorted.Add(key, value)
		}
	}
	return sorted
}

// PaymentForm renders the request of an order's attempt, with the order's terms.
func (g *Gateway) PaymentForm(r payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string {
	f := url.Values{}
	f.Set("amount", strconv.FormatInt(terms.Amount, 10))
	f.Set("currency", terms.Currency)
	f.Set("automatic_payment_methods[enabled]", "true")
	f.Set("capture_method", string(terms.CaptureMethod))
	setUnlessEmpty(f, "customer", string(terms.Customer))
	setUnlessEmpty(f, "setup_future_usage", terms.SetupFutureUsage)
	setUnlessEmpty(f, "description", r.Description)
	setUnlessEmpty(f, "receipt_email", r.ReceiptEmail)
	setUnlessEmpty(f, "statement_descriptor_suffix", r.StatementDescriptorSuffix)
	setUnlessEmpty(f, "payment_method_configuration", r.MethodConfiguration)
	setShipping(f, r.Shipping)
	for key, value := range r.Metadata {
		f.Set("metadata["+key+"]", value)
	}
	f.Set("metadata[kasse_service]", g.Service)
	f.Set("metadata[kasse_order_id]", string(r.Order))
	f.Set("metadata[kasse_attempt]", strconv.Itoa(attempt))
	f.Set("metadata[kasse_rev]", strconv.FormatInt(rev, 10))
	return f.Encode()
}

func setShipping(f url.Values, s *payment.Shipping) {
	if s == nil {
		return
	}
	for name, value := range map[string]string{
		"[name]": s.Name, "[phone]": s.Phone, "[carrier]": s.Carrier, "[tracking_number]": s.TrackingNumber,
		"[address][line1]": s.Address.Line1, "[address][line2]": s.Address.Line2, "[address][city]": s.Address.City,
		"[address][state]": s.Address.State, "[address][postal_code]": s.Address.PostalCode,
		"[address][country]": s.Address.Country,
	} {
		setUnlessEmpty(f, "shipping"+name, value)
	}
}

func setUnlessEmpty(f url.Values, key, value string) {
	if value != "" {
		f.Set(key, value)
	}
}

// OpenPayment makes a PaymentIntent, or returns the one that the same key made.
func (g *Gateway) OpenPayment(ctx context.Context, idempotencyKey, body string) (payment.Answer, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return payment.Answer{}, err
	}
	return g.post(ctx, "/v1/payment_intents", idempotencyKey, values)
}

// UpdateAmount sets a PaymentIntent's amount, in minor units, and the rev of its terms, in Unix milliseconds.
// Stripe makes no event for it, so the response is the only notification.
func (g *Gateway) UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error) {
	return g.post(
		ctx, intentPath(id), "",
		url.Values{"amount": {strconv.FormatInt(amount, 10)}, "metadata[kasse_rev]": {strconv.FormatInt(rev, 10)}},
	)
}

// CancelPayment cancels a PaymentIntent; reason is Stripe's or empty.
func (g *Gateway) CancelPayment(ctx context.Context, id payment.ID, reason string) (payment.Answer, error) {
	values := url.Values{}
	setUnlessEmpty(values, "cancellation_reason", reason)
	return g.post(ctx, intentPath(id)+"/cancel", "", values)
}

// CapturePayment captures the amount, in minor units. The rest is released.
func (g *Gateway) CapturePayment(ctx context.Context, id payment.ID, amount int64) (payment.Answer, error) {
	return g.post(ctx, intentPath(id)+"/capture", "", url.Values{"amount_to_capture": {strconv.FormatInt(amount, 10)}})
}

// NoteClosed writes into a PaymentIntent's metadata that its order was closed, with the reason. Stripe
// accepts that in every status.
//
// Source: https://docs.stripe.com/api/payment_intents/update
func (g *Gateway) NoteClosed(ctx context.Context, id payment.ID, why payment.Closure) error {
	_, err := g.post(ctx, intentPath(id), "", url.Values{"metadata[kasse_closed]": {string(why)}})
	return err
}

// NoteForgotten writes into a PaymentIntent's metadata that Kasse has removed its personal data. Stripe
// accepts that in every status.
func (g *Gateway) NoteForgotten(ctx context.Context, id payment.ID) error {
	_, err := g.post(ctx, intentPath(id), "", url.Values{"metadata[kasse_forgotten]": {"true"}})
	return err
}

// post makes a call that returns a PaymentIntent. The response to a call that was sent several times may be
// an old one.
func (g *Gateway) post(ctx context.Context, path, key string, values url.Values) (payment.Answer, error) {
	var a answer
	repeated, err := g.call(ctx, http.MethodPost, path, key, values, &a)
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

// OpenSession makes a CustomerSession for Stripe's Payment Element. Each call has a new key, since the secret
// is single-use.
func (g *Gateway) OpenSession(
	ctx context.Context, customer payment.CustomerID, f payment.SessionFeatures,
) (payment.Session, error) {
	element, version := "components[payment_element]", stripego.APIVersion
	if f.Surface == payment.SurfaceMobile {
		element, version = "components[mobile_payment_element]", mobileVersion
	}
	feature := element + "[features]"
	values := url.Values{"customer": {string(customer)}, element + "[enabled]": {"true"}}
	values.Set(feature+"[payment_method_redisplay]", enabled(f.ShowsSaved()))
	values.Set(feature+"[payment_method_save]", enabled(f.Save))
	values.Set(feature+"[payment_method_remove]", enabled(f.Remove))
	setUnlessEmpty(values, feature+"[payment_method_save_usage]", f.SaveUsage)
	setUnlessEmpty(values, feature+"[payment_method_save_allow_redisplay_override]", f.SaveAs)
	if f.RedisplayLimit != nil {
		values.Set(feature+"[payment_method_redisplay_limit]", strconv.Itoa(*f.RedisplayLimit))
	}
	for i, filter := range f.RedisplayOnly {
		values.Set(feature+"[payment_method_allow_redisplay_filters]["+strconv.Itoa(i)+"]", filter)
	}
	var s session
	if _, err := g.callIn(ctx, version, http.MethodPost, "/v1/customer_sessions", "", values, &s); err != nil {
		return payment.Session{}, err
	}
	return payment.Session{ClientSecret: s.ClientSecret, ExpiresAt: time.Unix(s.ExpiresAt, 0).UTC()}, nil
}

func enabled(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

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

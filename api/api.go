// Package api serves Kasse over HTTP. It decodes a request, calls the service, and encodes the result.
//
// errors.go answers every error of this package and of the packages below, as a problem document with
// a code of the contract. The text of an error without a code is never sent. The route table lists the
// credentials that may call a route. The service decides which payments a caller may see, because it
// compares a client secret with the payment's record. No other package uses Echo: this one returns an
// http.Handler.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"kasse/service"
	"kasse/service/payment"
)

// Options configure the API.
type Options struct {
	Keys           []Key
	PublishableKey string // Stripe's, handed to pages
	Livemode       bool   // the mode of the Stripe keys
	Tokens         Tokens
	Limits         Limits
	TrustedProxies []netip.Prefix // whose X-Forwarded-For and X-Forwarded-Proto are believed
	Origins        []string       // of pages that may call from a browser, "https://shop.example"
	Logger         *slog.Logger
	Draining       <-chan struct{} // closed when the server begins to drain: held polls are answered at once
	Observer       Observer        // may be nil
	Parker         Parker          // nil: every request that waits keeps its goroutine
	// Outliving returns the part of a request's context that is needed after its handler has returned,
	// without its cancellation. The rest would use memory while the request is parked. Nil: nothing is
	// needed.
	Outliving func(context.Context) context.Context
}

// Observer is called after every request, with the request's context. The method is one of HTTP's, or OTHER.
// The route is a pattern of the contract, or empty.
type Observer interface {
	RequestHandled(ctx context.Context, method, route string, status int, took time.Duration)
}

// Route is an operation of the contract.
type Route struct {
	Method string
	Path   string // as openapi.yaml writes it, "/v1/payments/{payment_intent}"

	access access
	query  parameters
	audit  string // the operation's name in the audit log; empty: it moves no money and changes no order
	handle echo.HandlerFunc
}

// Audit returns the operation's name in the audit log; empty where the operation moves no money and
// changes no order.
func (r Route) Audit() string { return r.audit }

type api struct {
	Options
	echo     *echo.Echo
	service  *service.Service
	counters *counters
	proxies  proxies
}

// New returns the public API. Its server has to bound the time that reading a request may take.
func New(svc *service.Service, o Options) http.Handler {
	a := &api{Options: o, service: svc, counters: newCounters(o.Limits), proxies: o.TrustedProxies}
	a.echo = newEcho(o.Logger, o.Observer, a.proxies.overTLS, newOrigins(o.Origins, o.Logger).share)
	for _, r := range a.routes() {
		handle := a.guard(r)
		a.echo.Add(r.Method, echoPath(r.Path), handle)
		if r.Method == http.MethodGet {
			a.echo.Add(http.MethodHead, echoPath(r.Path), handle)
		}
	}
	return a.echo
}

// statusPath is the route of the status.
const statusPath = "/v1/payments/{payment_intent}"

// IsStatusPath reports whether a GET of the path asks for the status of a payment.
func IsStatusPath(path string) bool {
	id, found := strings.CutPrefix(path, "/v1/payments/")
	return found && id != "" && !strings.Contains(id, "/")
}

// Routes returns the operations of the public API. A GET answers HEAD too.
func Routes() []Route { return (&api{}).routes() }

func (a *api) routes() []Route {
	var (
		anybody  = access{}
		read     = access{scope: service.ScopeRead}
		write    = access{scope: service.ScopeWrite}
		events   = access{scope: service.ScopeEvents}
		manage   = access{scope: service.ScopeManage}
		writeOwn = access{scope: service.ScopeWrite, token: true}
		readOwn  = access{scope: service.ScopeRead, token: true}
		readAny  = access{scope: service.ScopeRead, token: true, clientSecret: true}
		none     = parameters{}
		wait     = parameters{names: []string{"wait"}}
		feedPage = parameters{names: []string{"after", "limit", "wait", "type", "order_id"}}
		listPage = parameters{names: []string{"customer", "state", "created_after", "limit", "after"}}
		ignored  = parameters{ignored: true} // platforms add their own to the address that Stripe is given
	)
	return []Route{
		{"POST", "/v1/payments", writeOwn, none, "createPayment", a.createPayment},
		{"POST", "/v1/payments/{payment_intent}/customer-session", writeOwn, none, "", a.createCustomerSession},
		{"GET", statusPath, readAny, wait, "", a.getPayment},
		{"PATCH", "/v1/payments/{payment_intent}", write, none, "changePayment", a.changePayment},
		{"POST", "/v1/payments/{payment_intent}/cancel", manage, none, "cancelPayment", a.cancelPayment},
		{"POST", "/v1/payments/{payment_intent}/capture", manage, none, "capturePayment", a.capturePayment},
		{"POST", "/v1/payments/{payment_intent}/refunds", manage, none, "createRefund", a.createRefund},
		{"GET", "/v1/payments/{payment_intent}/refunds", read, none, "", a.listRefunds},
		{"GET", "/v1/payments/{payment_intent}/history", read, none, "", a.getPaymentHistory},
		{"GET", "/v1/orders", read, listPage, "", a.listOrders},
		{"GET", "/v1/orders/{order_id}", readOwn, none, "", a.getOrder},
		{"POST", "/v1/order-tokens", write, none, "mintOrderToken", a.mintOrderToken},
		{"GET", "/v1/events", events, feedPage, "", a.listEvents},
		{"GET", "/v1/config", anybody, none, "", a.getConfig},
		{"POST", "/webhooks/stripe", anybody, ignored, "", a.receiveStripeEvent},
		{"GET", "/openapi.yaml", anybody, none, "", a.getOpenAPI},
	}
}

// newEcho returns an Echo that answers every error as a problem document; the first middleware is the outermost.
func newEcho(logger *slog.Logger, observer Observer, more ...echo.MiddlewareFunc) *echo.Echo {
	e := echo.New()
	handle := func(c echo.Context) error { return c.Handler()(c) }
	chain := append([]echo.MiddlewareFunc{
		identify, accessLog(logger, observer), answerErrors(logger),
	}, append(more, refuseUnrouted)...)
	for _, around := range slices.Backward(chain) {
		handle = around(handle)
	}
	e.Use(func(echo.HandlerFunc) echo.HandlerFunc { return handle }) // Echo would put them together for each request
	return e
}

// guard checks a request in the contract's order: ids in the path, credential, scope, limits, query. Headers and body
// are checked by the handler.
func (a *api) guard(r Route) echo.HandlerFunc {
	return a.audited(r, func(c echo.Context) error {
		x := infoOf(c)
		x.route = r.Path
		r.access.forbidCaching(c)
		if err := checkPathIDs(c); err != nil {
			return err
		}
		if err := a.admit(c, r.access); err != nil {
			return err
		}
		if err := a.limitCaller(c); err != nil {
			return err
		}
		if err := a.limitStripe(c); err != nil {
			return err
		}
		if r.audit != "" {
			actor := payment.Actor{Operation: r.audit, Key: x.caller.Key, RequestID: x.requestID}
			c.SetRequest(c.Request().WithContext(service.WithActor(c.Request().Context(), actor)))
		}
		if err := checkQuery(c, r.query); err != nil {
			return err
		}
		return r.handle(c)
	})
}

var braces = strings.NewReplacer("/{", "/:", "}", "")

// echoPath writes a path of the contract as Echo does.
func echoPath(path string) string { return braces.Replace(path) }

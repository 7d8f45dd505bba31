// Package console is the console of kasse-dev: one page that shows orders as a live timeline, with buttons
// for actions of Stripe and for the passage of time. The page talks only to this package. This package calls
// Kasse with a service key and the simulator through its control routes. Neither the key nor a client secret
// reaches the page.
package console

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"time"
)

// The page has no build step and no third-party code.
//
//go:embed page
var pageFiles embed.FS

// Options are the addresses and credentials of the console.
type Options struct {
	Kasse   string // base URL of the API
	Shop    string // base URL of the example shop
	Control string // base URL of the simulator's control routes; empty: Stripe is real, there are no buttons
	Key     string // service key with all scopes
	// PushSecret is the whsec_ secret of the console's endpoint for pushed events, POST /push.
	PushSecret string
	Service    string // SERVICE_NAME, part of Kasse's idempotency keys at Stripe
	Now        func() time.Time
	Logger     *slog.Logger
}

// Console serves the page and its API.
type Console struct {
	Options
	client *http.Client
	news   changeNotifier
	seen   seen
}

// New returns a console. Run keeps its data current.
func New(o Options) *Console {
	return &Console{Options: o, client: &http.Client{Timeout: callTimeout}}
}

// Handler returns the page and its routes.
func (c *Console) Handler() (http.Handler, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/world", c.showWorld)
	mux.HandleFunc("GET /api/changes", c.streamChanges)
	mux.HandleFunc("GET /api/everything", c.showEverything)
	mux.HandleFunc("GET /api/orders", c.listOrders)
	mux.HandleFunc("GET /api/orders/{order}", c.showOrder)
	mux.HandleFunc("POST /api/orders", jsonOnly(c.openOrder))
	mux.HandleFunc("POST /api/actions/{action}", jsonOnly(c.act))
	mux.HandleFunc("POST /push", c.receivePush) // signed pushes from Kasse
	return lockedDown(LocalOnly(mux)), nil
}

// LocalOnly protects a local server from other sites' pages in the developer's browser. It refuses a request
// of another origin, by Sec-Fetch-Site or Origin, unless the method is GET or HEAD. It refuses every host
// name other than localhost. Otherwise an attacker's DNS name that resolves to this address would count as
// the same origin.
func LocalOnly(next http.Handler) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			Refuse(
				w, http.StatusMisdirectedRequest,
				"This server accepts only an IP address or localhost as its host name.",
			)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lockedDown sets the security headers of the page.
func lockedDown(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// isLocal reports whether a Host header is an IP address or localhost, which DNS cannot rebind.
func isLocal(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort // no port
	}
	return host == "localhost" || net.ParseIP(host) != nil
}

// jsonOnly refuses bodies that another page's form could send.
func jsonOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
			Refuse(w, http.StatusUnsupportedMediaType, "The body must be application/json.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<12)
		next(w, r)
	}
}

// Run follows Kasse's feed and the simulator until ctx ends.
func (c *Console) Run(ctx context.Context) {
	if c.Control == "" {
		c.followFeed(ctx)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.followSimulator(ctx)
	}()
	c.followFeed(ctx)
	<-done
}

package main

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"

	"kasse/cmd/kasse-dev/console"
)

// The page has no build step and no third-party code but Stripe.js.
//
//go:embed shop
var shopFiles embed.FS

// shop is an example backend of a shop, on its own origin. It serves the page, knows the prices and holds the
// service key. The page gets order tokens from it. All its data is lost when the process ends.
type shop struct {
	kasse    string // base URL of Kasse's API
	stripe   string // base URL of Stripe's API, used to create customers
	stripeJS string // URL of the script
	key      string // Stripe's secret key
	log      *slog.Logger

	mu        sync.Mutex        // guards the maps
	orders    map[string]*order // by order id
	carts     map[string]string // the order of a visitor's cart, by visitor
	customers map[string]string // Stripe's customer ids, by visitor
}

func newShop(w *stack, log *slog.Logger) *shop {
	return &shop{
		kasse: w.kasse, stripe: w.stripe, stripeJS: w.stripeJS, key: w.stripeKey, log: log,
		orders: map[string]*order{}, carts: map[string]string{}, customers: map[string]string{},
	}
}

// handler returns the shop. It logs a line for each request with the path, but not the query: Stripe puts a
// client secret into the return URL.
func (s *shop) handler() (http.Handler, error) {
	files, err := fs.Sub(shopFiles, "shop")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	for _, page := range []string{"GET /{$}", "GET /checkout", "GET /return"} {
		mux.HandleFunc(page, s.page)
	}
	mux.HandleFunc("GET /docs", docs)
	mux.Handle("GET /docs/{$}", http.RedirectHandler("/docs", http.StatusMovedPermanently))
	mux.HandleFunc("GET /api/config", s.config)
	mux.HandleFunc("POST /api/orders", s.checkOut)
	mux.HandleFunc("GET /api/orders/{order}", s.owned(s.showOrder))
	mux.HandleFunc("POST /api/orders/{order}/token", s.owned(s.mintToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.setSecurityHeaders(w.Header())
		s.log.InfoContext(r.Context(), "shop: request", "method", r.Method, "path", r.URL.Path)
		mux.ServeHTTP(w, r)
	}), nil
}

// setSecurityHeaders sets the page's policy. It allows the page's own files, Kasse, and what Stripe.js needs,
// which also sets style attributes: https://docs.stripe.com/security/guide#content-security-policy. The
// return URL contains a client secret, so no Referer is sent.
func (s *shop) setSecurityHeaders(h http.Header) {
	scripts, styles, frames := s.stripe, "'self'", s.stripe
	if s.stripe == realStripe {
		scripts, styles = "https://js.stripe.com https://*.js.stripe.com", "'self'; style-src-attr 'unsafe-inline'"
		frames = scripts + " https://hooks.stripe.com"
	}
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %s; style-src %s; img-src "+
		"'self'; connect-src 'self' %s %s; "+
		"frame-src %s; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", scripts, styles, s.kasse, s.stripe,
		frames))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
}

// page serves the single document of all pages.
func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	s.visitor(w, r)
	http.ServeFileFS(w, r, shopFiles, "shop/index.html")
}

// visitor returns the visitor id of the browser's cookie. It sets a new cookie if there is none.
func (s *shop) visitor(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie("visitor"); err == nil && cookie.Value != "" {
		return cookie.Value
	}
	id := rand.Text()
	//nolint:gosec // on loopback there is no TLS
	visitor := http.Cookie{Name: "visitor", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	http.SetCookie(w, &visitor)
	return id
}

// config returns the addresses for the page.
func (s *shop) config(w http.ResponseWriter, _ *http.Request) {
	console.WriteJSON(w, http.StatusOK, map[string]string{"kasse": s.kasse, "stripe_js": s.stripeJS})
}

// checkOut turns the visitor's cart into an order. Until the order is paid, all tabs and clicks get the same
// one.
func (s *shop) checkOut(w http.ResponseWriter, r *http.Request) {
	var choice struct {
		Region string `json:"region"`
		Guest  bool   `json:"guest"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&choice)
	price, sold := prices[choice.Region]
	if err != nil || !sold {
		console.Refuse(w, http.StatusBadRequest, "The shop does not sell in this country.")
		return
	}
	o, err := s.order(r.Context(), s.visitor(w, r), price, choice.Guest)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	console.WriteJSON(w, http.StatusOK, o)
}

// owned lets visitors access only their own orders.
func (s *shop) owned(next func(http.ResponseWriter, *http.Request, order)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o, known := s.find(r.PathValue("order"), s.visitor(w, r))
		if !known {
			console.Refuse(w, http.StatusNotFound, "The order does not exist.")
			return
		}
		next(w, r, o)
	}
}

func (s *shop) showOrder(w http.ResponseWriter, _ *http.Request, o order) {
	console.WriteJSON(w, http.StatusOK, o)
}

// mintToken returns a token for the visitor's order.
func (s *shop) mintToken(w http.ResponseWriter, r *http.Request, o order) {
	token, err := s.tokenFor(r.Context(), o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	console.WriteJSON(w, http.StatusCreated, map[string]string{"token": token})
}

// fail answers the page after an internal error.
func (s *shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.log.WarnContext(r.Context(), "shop: a call failed, answering 502", "path", r.URL.Path, "error", err)
	console.Refuse(w, http.StatusBadGateway, "The shop could not reach its services.")
}

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
)

// The page: no build step, and no code of others but Stripe.js.
//
//go:embed shop
var shopFiles embed.FS

// shop is the toy backend of a shop, on an origin of its own. It serves the page, knows the prices, and is the only
// one who holds the service key: the page gets order tokens from it. What it remembers is gone with the process.
type shop struct {
	kasse    string // its API
	stripe   string // the API of Stripe, where a shop's backend makes its customers
	stripeJS string // address of the script
	key      string // Stripe's secret key
	log      *slog.Logger

	mu        sync.Mutex        // guards what follows
	orders    map[string]*order // by order id
	carts     map[string]string // the order that stands for a visitor's cart, by visitor
	customers map[string]string // at Stripe, by visitor
}

func newShop(w *world, log *slog.Logger) *shop {
	return &shop{
		kasse: w.kasse, stripe: w.stripe, stripeJS: w.stripeJS, key: w.stripeKey, log: log,
		orders: map[string]*order{}, carts: map[string]string{}, customers: map[string]string{},
	}
}

// handler returns the shop. Its log has a line for each request, with the path and without the query, in which
// Stripe puts a client secret on the way back.
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
	mux.HandleFunc("GET /api/config", s.config)
	mux.HandleFunc("POST /api/orders", s.checkOut)
	mux.HandleFunc("GET /api/orders/{order}", s.owned(s.showOrder))
	mux.HandleFunc("POST /api/orders/{order}/token", s.owned(s.mintToken))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.guard(w.Header())
		s.log.InfoContext(r.Context(), "shop", "method", r.Method, "path", r.URL.Path)
		mux.ServeHTTP(w, r)
	}), nil
}

// guard sets what protects the page. Its policy allows its own files, Kasse, and what Stripe.js needs, which sets
// style attributes beside: https://docs.stripe.com/security/guide#content-security-policy. The return URL holds a
// client secret, so no Referer is sent.
func (s *shop) guard(h http.Header) {
	scripts, styles, frames := s.stripe, "'self'", s.stripe
	if s.stripe == realStripe {
		scripts, styles = "https://js.stripe.com https://*.js.stripe.com", "'self'; style-src-attr 'unsafe-inline'"
		frames = scripts + " https://hooks.stripe.com"
	}
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %s; style-src %s; img-src 'self'; connect-src 'self' %s %s; "+
		"frame-src %s; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", scripts, styles, s.kasse, s.stripe,
		frames))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
}

// page serves the one document that is every page.
func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	s.visitor(w, r)
	http.ServeFileFS(w, r, shopFiles, "shop/index.html")
}

// visitor knows a browser again by a cookie, and gives it one where it has none.
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

// config gives the page its addresses.
func (s *shop) config(w http.ResponseWriter, _ *http.Request) {
	answerPage(w, http.StatusOK, map[string]string{"kasse": s.kasse, "stripe_js": s.stripeJS})
}

// checkOut turns the visitor's cart into an order. Until that is paid it stays the same order, from however many
// tabs and clicks.
func (s *shop) checkOut(w http.ResponseWriter, r *http.Request) {
	var choice struct {
		Region string `json:"region"`
		Guest  bool   `json:"guest"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&choice)
	price, sold := prices[choice.Region]
	if err != nil || !sold {
		refusePage(w, http.StatusBadRequest, "It is not sold there.")
		return
	}
	o, err := s.order(r.Context(), s.visitor(w, r), price, choice.Guest)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answerPage(w, http.StatusOK, o)
}

// owned lets visitors at their own orders only.
func (s *shop) owned(next func(http.ResponseWriter, *http.Request, order)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o, known := s.find(r.PathValue("order"), s.visitor(w, r))
		if !known {
			refusePage(w, http.StatusNotFound, "There is no such order.")
			return
		}
		next(w, r, o)
	}
}

func (s *shop) showOrder(w http.ResponseWriter, _ *http.Request, o order) {
	answerPage(w, http.StatusOK, o)
}

// mintToken hands the page a token for its order.
func (s *shop) mintToken(w http.ResponseWriter, r *http.Request, o order) {
	token, err := s.tokenFor(r.Context(), o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	answerPage(w, http.StatusCreated, map[string]string{"token": token})
}

// fail answers for what the page cannot help.
func (s *shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.log.WarnContext(r.Context(), "shop", "path", r.URL.Path, "error", err)
	refusePage(w, http.StatusBadGateway, "The shop could not reach its services.")
}

func refusePage(w http.ResponseWriter, status int, message string) {
	answerPage(w, status, map[string]string{"error": message})
}

func answerPage(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

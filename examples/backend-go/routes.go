package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"strings"

	kasse "kasse/clients/go"
)

type backend struct {
	kasse    *kasse.Client
	verifier *kasse.Verifier
	db       *sql.DB
}

type product struct {
	price   kasse.Amount // euro cents; a price never comes from a browser
	capture kasse.CaptureMethod
}

var products = map[string]product{
	"kettle":  {4200, kasse.CaptureMethodAutomaticAsync},
	"bicycle": {129900, kasse.CaptureMethodManual}, // captured when the bicycle is ready
}

// routes has no login: add your own. The first three routes are for the order's customer; capture
// and refunds are for your staff. Kasse calls the last route, and signs its requests.
func (b *backend) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", b.createOrder)
	mux.HandleFunc("GET /orders/{order}", b.showOrder)
	mux.HandleFunc("POST /orders/{order}/token", b.mintToken)
	mux.HandleFunc("POST /orders/{order}/capture", b.capture)
	mux.HandleFunc("POST /orders/{order}/refunds", b.refund)
	mux.HandleFunc("POST /kasse/events", b.receiveEvent)
	return mux
}

func (b *backend) createOrder(w http.ResponseWriter, r *http.Request) {
	var body struct{ Product string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body)
	item, sold := products[body.Product]
	if err != nil || !sold {
		refuse(w, http.StatusBadRequest, `send {"product": "kettle"} or {"product": "bicycle"}`)
		return
	}
	id := "order-" + strings.ToLower(rand.Text()[:12])
	_, err = b.db.ExecContext(r.Context(),
		"INSERT INTO orders (id, product, amount, currency) VALUES (?, ?, ?, 'eur')", id, body.Product, item.price)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusCreated, map[string]any{"order_id": id, "amount": item.price, "currency": "eur"})
}

// mintToken returns a token with which the order's page opens its payment. The page requests another
// token when this one has expired.
func (b *backend) mintToken(w http.ResponseWriter, r *http.Request) {
	terms := kasse.PaymentCreate{OrderID: r.PathValue("order"), Currency: "eur"}
	var name string
	row := b.db.QueryRowContext(r.Context(), "SELECT amount, product FROM orders WHERE id = ?", terms.OrderID)
	err := row.Scan(&terms.Amount, &name)
	if err != nil {
		fail(w, err)
		return
	}
	terms.CaptureMethod = new(products[name].capture)
	token, err := b.kasse.MintOrderToken(r.Context(), terms)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusCreated, token)
}

func (b *backend) showOrder(w http.ResponseWriter, r *http.Request) {
	var seen struct {
		OrderID string `json:"order_id"`
		State   string `json:"state"` // of the newest payment; "new" without one
		Shipped int    `json:"shipped"`
	}
	err := b.db.QueryRowContext(r.Context(), `SELECT id,
		coalesce((SELECT state FROM payments WHERE order_id = orders.id ORDER BY version DESC LIMIT 1), 'new'),
		(SELECT count(*) FROM shipments WHERE order_id = orders.id)
		FROM orders WHERE id = ?`, r.PathValue("order")).Scan(&seen.OrderID, &seen.State, &seen.Shipped)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, seen)
}

func (b *backend) capture(w http.ResponseWriter, r *http.Request) {
	payment, err := b.paymentOf(r)
	if err != nil {
		fail(w, err)
		return
	}
	view, err := b.kasse.CapturePayment(r.Context(), payment, kasse.PaymentCapture{})
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, map[string]any{"state": view.State})
}

// refund refunds an amount in euro cents, or everything that is left. The caller chooses the refund's
// id, so that a double click makes one refund.
func (b *backend) refund(w http.ResponseWriter, r *http.Request) {
	var body struct {
		RefundID string        `json:"refund_id"`
		Amount   *kasse.Amount `json:"amount"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body); err != nil || body.RefundID == "" {
		refuse(w, http.StatusBadRequest, `send {"refund_id": "…", "amount": 1000}`)
		return
	}
	payment, err := b.paymentOf(r)
	if err != nil {
		fail(w, err)
		return
	}
	key := r.PathValue("order") + "/" + body.RefundID
	made, err := b.kasse.RefundPayment(r.Context(), payment, key, kasse.RefundCreate{Amount: body.Amount})
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusCreated, map[string]any{"refund": made.Refund.ID, "state": made.Payment.State})
}

// paymentOf returns the order's current payment.
func (b *backend) paymentOf(r *http.Request) (kasse.PaymentID, error) {
	order, err := b.kasse.Order(r.Context(), r.PathValue("order"))
	if err != nil {
		return "", err
	}
	if order.Payment == nil {
		return "", sql.ErrNoRows
	}
	return order.Payment.PaymentIntent, nil
}

// receiveEvent answers 2xx only after the transaction has committed. After any other answer Kasse
// pushes the event again.
func (b *backend) receiveEvent(w http.ResponseWriter, r *http.Request) {
	event, err := b.verifier.Event(r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, err.Error())
		return
	}
	if err := b.handleAll(r.Context(), []kasse.Event{{Type: event.Type, Data: event.Data}}, ""); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// fail answers a failed request. Kasse's refusals keep their code.
func fail(w http.ResponseWriter, err error) {
	refused, isRefused := errors.AsType[*kasse.Error](err)
	switch {
	case errors.Is(err, sql.ErrNoRows) || errors.Is(err, kasse.ProblemCodeNotFound):
		refuse(w, http.StatusNotFound, "the order does not exist, or nothing was paid for it")
	case isRefused && refused.Code != "" && !refused.Retryable:
		reply(w, http.StatusConflict, map[string]any{"error": refused.Detail, "code": refused.Code})
	default:
		log.Print(err)
		refuse(w, http.StatusServiceUnavailable, "try again")
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]any{"error": message})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // fails only if the caller has disconnected
}

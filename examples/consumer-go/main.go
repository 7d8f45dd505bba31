// Consumer-go is a backend's endpoint for the events that Kasse pushes. It verifies them, fulfils each paid order once,
// confirms debits as pending, and offers another try when a debit fails. Copy it, and put your shop's work into handle.
//
//	WEBHOOK_SECRET  whsec_…, as in Kasse's EVENT_ENDPOINTS
//	ADDR            127.0.0.1:8094, unless set
//	DATA            the folder with the shop's files: data, unless set
//
// One rule makes fulfilment happen once: only the process that creates the file named after an order fulfils it. In a
// shop this is a row with a unique index on order_id, inserted in the transaction that books the shipment. The rule
// holds after a restart, and for events that arrive more than once, late, or in another order. See docs/events.md.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	if err := serve(
		cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8094"), cmp.Or(os.Getenv("DATA"), "data"), os.Getenv("WEBHOOK_SECRET"),
	); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, data, secret string) error {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil || secret == "" {
		return errors.New("WEBHOOK_SECRET must be this endpoint's secret in Kasse's EVENT_ENDPOINTS: whsec_…")
	}
	s := &shop{data: data, verifier: verifier}
	for _, table := range []string{"fulfilled", "orders"} {
		folder := filepath.Join(data, table)
		if err := os.MkdirAll(folder, 0o750); err != nil { //nolint:gosec // the user names the folder
			return err
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: s, ReadTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// event is a pushed event, with the members that are used here. Later versions of Kasse may add members.
type event struct {
	Type string `json:"type"`
	Data struct {
		Payment  string            `json:"payment_intent"`
		Order    string            `json:"order_id"`
		Amount   int64             `json:"amount_received"`
		Currency string            `json:"currency"`
		Version  int64             `json:"version"`
		Metadata map[string]string `json:"metadata"`
	} `json:"data"`
}

// order is the shop's record of an order. The folder "fulfilled" holds the orders that were shipped.
type order struct {
	Status   string           `json:"status"`   // pending, try_again or paid
	Versions map[string]int64 `json:"versions"` // version of the newest view, by payment
}

type shop struct {
	data     string
	verifier *standardwebhooks.Webhook
	mu       sync.Mutex // protects the files of orders
}

// ServeHTTP answers 2xx only after the event's effect is on disk. After any other answer Kasse pushes the event again.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || s.verifier.Verify(body, r.Header) != nil {
		http.Error(w, "not signed by Kasse", http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if err := s.handle(e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		http.Error(w, "try again", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// handle does the shop's work. It ignores all other types.
func (s *shop) handle(e event) error {
	switch e.Type {
	case "order.paid": // of any version: the unique key makes fulfilment happen once
		return errors.Join(s.fulfil(e), s.update(e, func(o *order) { o.Status = "paid" }))
	case "order.processing":
		return s.update(e, func(o *order) { o.Status = "pending"; fmt.Println("confirm as pending", e.Data.Order) })
	case "order.failed":
		return s.update(e, func(o *order) {
			if o.Status == "pending" { // the shop has confirmed it, and the debit has failed days later
				o.Status = "try_again"
				fmt.Println("offer another try", e.Data.Order)
			}
		})
	}
	return nil
}

// orderID matches the ids of orders. An id names a file here, so other text could reach another folder.
var orderID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// fulfil confirms and ships an order once: a second link with the same name fails.
func (s *shop) fulfil(e event) error {
	if !orderID.MatchString(e.Data.Order) {
		return errors.New("the event has no valid order id")
	}
	shipment, err := json.Marshal(e.Data)
	if err != nil {
		return err
	}
	written, err := s.write(shipment)
	if err != nil {
		return err
	}
	defer os.Remove(written) //nolint:errcheck // a leftover does no harm
	switch err := os.Link(written, filepath.Join(s.data, "fulfilled", e.Data.Order)); {
	case errors.Is(err, os.ErrExist):
		return nil // fulfilled before
	case err != nil:
		return err
	}
	fmt.Println("confirm and fulfil", e.Data.Order, e.Data.Amount, e.Data.Currency)
	return nil
}

// update changes the record of an order, unless a newer view of the payment was applied before.
func (s *shop) update(e event, change func(*order)) error {
	if !orderID.MatchString(e.Data.Order) {
		return errors.New("the event has no valid order id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.data, "orders", e.Data.Order)
	o := order{Versions: map[string]int64{}}
	text, err := os.ReadFile(path) //nolint:gosec // orderID has checked the name
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if e.Data.Version <= o.Versions[e.Data.Payment] {
		return nil
	}
	o.Versions[e.Data.Payment] = e.Data.Version
	change(&o)
	if text, err = json.Marshal(o); err != nil {
		return err
	}
	written, err := s.write(text)
	if err != nil {
		return err
	}
	return os.Rename(written, path)
}

// write writes text to a new file and syncs it to disk. It returns the file's name; the caller gives it the final one.
func (s *shop) write(text []byte) (name string, err error) {
	file, err := os.CreateTemp(s.data, "new-")
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	return file.Name(), errors.Join(err, file.Sync(), file.Close())
}

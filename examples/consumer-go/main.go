// A backend's endpoint for Kasse's events: it verifies, fulfils each order once, confirms debits as pending, and offers
// another try where one fails. Copy it, and put your shop's work into act.
//
// One invariant: the process that creates the file named after an order fulfils it. That is the unique key that the
// guide asks for; in a shop it is a row under a unique index on order_id, inserted in the transaction that books
// the shipment. It survives a restart, and does not care how often, how late or in which order events come.
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
		return errors.New("WEBHOOK_SECRET must be the whsec_ secret of this endpoint in EVENT_ENDPOINTS")
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

// event is what Kasse pushes; members that are not used here are left out, and new ones may come.
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

// order is what the shop remembers of an order, beside whether it is fulfilled.
type order struct {
	Status   string           `json:"status"`   // pending, try_again or paid
	Versions map[string]int64 `json:"versions"` // newest view seen, by payment
}

type shop struct {
	data     string
	verifier *standardwebhooks.Webhook
	mu       sync.Mutex // over the files of orders
}

// ServeHTTP answers 2xx only when what the event asks for is on disk: with anything else it comes again.
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
	if err := s.act(e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		http.Error(w, "try again", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// act does the shop's work. Unknown types are none of it.
func (s *shop) act(e event) error {
	switch e.Type {
	case "order.paid": // at any version: the unique key makes it once
		return errors.Join(s.fulfil(e), s.remember(e, func(o *order) { o.Status = "paid" }))
	case "order.processing":
		return s.remember(e, func(o *order) { o.Status = "pending"; fmt.Println("confirm as pending", e.Data.Order) })
	case "order.failed":
		return s.remember(e, func(o *order) {
			if o.Status == "pending" { // it was confirmed, and the debit has failed days later
				o.Status = "try_again"
				fmt.Println("offer another try", e.Data.Order)
			}
		})
	}
	return nil
}

// orderID keeps what names a file to the shape that Kasse promises.
var orderID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// fulfil confirms and ships, once for an order: the second to link the name fails.
func (s *shop) fulfil(e event) error {
	if !orderID.MatchString(e.Data.Order) {
		return errors.New("no order id")
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
		return nil // done before
	case err != nil:
		return err
	}
	fmt.Println("confirm and fulfil", e.Data.Order, e.Data.Amount, e.Data.Currency)
	return nil
}

// remember changes what is kept of an order, unless a newer view of the payment has been seen.
func (s *shop) remember(e event, change func(*order)) error {
	if !orderID.MatchString(e.Data.Order) {
		return errors.New("no order id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.data, "orders", e.Data.Order)
	o := order{Versions: map[string]int64{}}
	text, err := os.ReadFile(path) //nolint:gosec // its name has been looked at
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

// write puts text into a new file, on disk before its name is given to anything.
func (s *shop) write(text []byte) (name string, err error) {
	file, err := os.CreateTemp(s.data, "new-")
	if err != nil {
		return "", err
	}
	_, err = file.Write(text)
	return file.Name(), errors.Join(err, file.Sync(), file.Close())
}

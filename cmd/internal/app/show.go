package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kasse/service/payment"
)

// ShowOptions are the flags of kasse show.
type ShowOptions struct {
	JSON   bool // for programs
	Stripe bool // read the payment once at Stripe and compare
}

// errShowSecret refuses a client secret as an argument, which would be stored in a shell's history and in
// logs.
var errShowSecret = errors.New("this is a client secret: give its id, the part before _secret_")

// CheckShowID checks the form of an id. It may be an order id, a PaymentIntent (pi_…) or a customer (cus_…).
func CheckShowID(id string) error {
	switch pi := payment.ID(id); {
	case pi != pi.WithoutSecret():
		return errShowSecret
	case !pi.Valid() && !payment.OrderID(id).Valid() && !payment.CustomerID(id).Valid():
		return errors.New("this is not the id of an order, a PaymentIntent (pi_…) or a customer (cus_…)")
	}
	return nil
}

// Show prints what Redis has of an order, of a PaymentIntent's order, or the orders of a customer. It writes
// nothing to Redis or Stripe and prints no secret. Personal data is shown as present or absent. It returns an
// error if Redis has nothing about the id.
func (a *App) Show(ctx context.Context, id string, o ShowOptions, out io.Writer) error {
	if err := CheckShowID(id); err != nil {
		return err
	}
	if _, err := a.store.Check(ctx, a.identity()); err != nil {
		return a.explain(err)
	}
	ref, asked, err := a.findShown(ctx, id)
	switch {
	case err != nil:
		return a.explainRecord(id, err)
	case ref.Order == "":
		return a.showCustomer(ctx, payment.CustomerID(id), o, out)
	}
	order, shown, err := a.loadShown(ctx, ref, asked)
	if err != nil {
		return a.explainRecord(id, err)
	}
	var failed error // Redis's data is shown even if Stripe's read fails
	if o.Stripe {
		shown.Stripe, failed = a.compareWithStripe(ctx, &order, asked)
	}
	if o.JSON {
		return errors.Join(printJSON(out, shown), failed)
	}
	return errors.Join(shown.print(out), failed)
}

// findShown returns the order of an id and the requested payment. Both are empty for a customer.
func (a *App) findShown(ctx context.Context, id string) (ref payment.Ref, asked payment.ID, err error) {
	if pi := payment.ID(id); pi.Valid() {
		order, found, err := a.store.FindOrder(ctx, pi)
		if err != nil {
			return ref, "", err
		}
		if found {
			return payment.Ref{Order: order}, pi, nil
		}
	}
	if order := payment.OrderID(id); order.Valid() { // an order id may look like another id
		o, _, err := a.store.LoadOrder(ctx, payment.Ref{Order: order})
		if err != nil || o.Stored() {
			return payment.Ref{Order: order}, "", err
		}
	}
	if payment.CustomerID(id).Valid() {
		return ref, "", nil
	}
	return ref, "", fmt.Errorf("redis has no data of %s: it never existed here, its PAYMENT_RETENTION is over, or "+
		"Redis lost it (then kasse rebuild restores it from Stripe)", id)
}

// explainRecord adds instructions to the error of an unreadable record.
func (a *App) explainRecord(id string, err error) error {
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeInternal {
		return err
	}
	return fmt.Errorf("the stored record of %s cannot be read: %w. Kasse neither shows nor overwrites it, and "+
		"answers 500. Keep a copy (redis-cli DUMP of the key), delete the key, and run kasse rebuild, which restores "+
		"it from Stripe",
		id, e.Cause)
}

// ShownOrders are the orders of a customer, newest first.
type ShownOrders struct {
	Customer payment.CustomerID `json:"customer"`
	Orders   []ShownListed      `json:"orders"`
	More     bool               `json:"more"` // there are more orders than shown
}

// ShownListed is an order of a customer.
type ShownListed struct {
	Order     payment.OrderID `json:"order_id"`
	Payment   *payment.ID     `json:"payment_intent"`
	State     *payment.State  `json:"state"`
	Amount    *int64          `json:"amount"`
	Currency  *string         `json:"currency"`
	CreatedAt *time.Time      `json:"created_at"`
	Closed    bool            `json:"closed"`
}

// mostShown limits the listed orders of a customer.
const mostShown = 1000

func (a *App) showCustomer(ctx context.Context, id payment.CustomerID, o ShowOptions, out io.Writer) error {
	if !a.OrderIndex {
		return errors.New("the orders of a customer are found by the index, and ORDER_INDEX is false: ask by order " +
			"or PaymentIntent")
	}
	shown := ShownOrders{Customer: id, Orders: []ShownListed{}}
	for q := (payment.OrderQuery{Customer: id, Limit: 100}); ; {
		page, err := a.store.ListOrders(ctx, q)
		if err != nil {
			return err
		}
		for _, listed := range page.Orders {
			shown.Orders = append(shown.Orders, shownListed(listed))
		}
		q.After, shown.More = page.Next, page.Next != ""
		if !shown.More || len(shown.Orders) >= mostShown {
			break
		}
	}
	if len(shown.Orders) == 0 {
		return fmt.Errorf("the index has no order of %s; orders from before ORDER_INDEX was set, and former "+
			"customers of an order, are not in it", id)
	}
	if o.JSON {
		return printJSON(out, shown)
	}
	return shown.print(out)
}

func shownListed(l payment.ListedOrder) ShownListed {
	s := ShownListed{Order: l.ID, Closed: l.Closed}
	for i, id := range l.Payments {
		if id != l.Current {
			continue
		}
		s.Payment = &id
		if v, err := payment.DecodeView(l.Views[i]); err == nil {
			s.State, s.Amount, s.Currency, s.CreatedAt = &v.State, &v.Amount, &v.Currency, &v.CreatedAt
		}
	}
	return s
}

func (s ShownOrders) print(out io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "Customer %s, newest first:\n", s.Customer)
	for _, o := range s.Orders {
		line := "  " + string(o.Order)
		switch {
		case o.Payment == nil:
			line += "  no PaymentIntent yet"
		case o.State == nil:
			line += "  " + string(*o.Payment)
		default:
			line += fmt.Sprintf(
				"  %s  %s  %s  %s", *o.Payment, *o.State, money(*o.Amount, *o.Currency), stamp(*o.CreatedAt),
			)
		}
		if o.Closed {
			line += "  closed"
		}
		fmt.Fprintln(&text, line)
	}
	if s.More {
		fmt.Fprintf(&text, "There are more; GET /v1/orders?customer=%s lists them all.\n", s.Customer)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// money formats an amount in minor units with its currency, as Stripe writes it.
func money(amount int64, currency string) string { return fmt.Sprintf("%d %s", amount, currency) }

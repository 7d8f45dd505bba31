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
	Stripe bool // read the payment once at Stripe, and compare
}

// errShowSecret is a mistake that would put a secret into a shell's history and a log.
var errShowSecret = errors.New("this is a client secret and no id: give the part before _secret_")

// CheckShowID reports what is wrong with the form of an id: it is an order's, a PaymentIntent's (pi_…) or a customer's
// (cus_…).
func CheckShowID(id string) error {
	switch pi := payment.ID(id); {
	case pi != pi.WithoutSecret():
		return errShowSecret
	case !pi.Valid() && !payment.OrderID(id).Valid() && !payment.CustomerID(id).Valid():
		return errors.New("this is no id of an order, of a PaymentIntent (pi_…) or of a customer (cus_…)")
	}
	return nil
}

// Show prints what Redis knows of an order, of the order of a PaymentIntent, or which orders a customer has. It writes
// nothing, neither to Redis nor to Stripe, and prints no secret; what is a person's is shown as there or not. It fails
// where Redis knows nothing of the id.
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
	var failed error // what Redis knows is shown all the same
	if o.Stripe {
		shown.Stripe, failed = a.compareWithStripe(ctx, &order, asked)
	}
	if o.JSON {
		return errors.Join(printJSON(out, shown), failed)
	}
	return errors.Join(shown.print(out), failed)
}

// findShown returns the order of an id, and the payment that was asked for; neither for a customer.
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
	if order := payment.OrderID(id); order.Valid() { // also one that looks like another id
		o, _, err := a.store.LoadOrder(ctx, payment.Ref{Order: order})
		if err != nil || o.Stored() {
			return payment.Ref{Order: order}, "", err
		}
	}
	if payment.CustomerID(id).Valid() {
		return ref, "", nil
	}
	return ref, "", fmt.Errorf("redis knows nothing of %s: it was never here, its PAYMENT_RETENTION is over, or Redis lost "+
		"it (then kasse rebuild restores it from Stripe)", id)
}

// explainRecord says what to do about a record that cannot be read.
func (a *App) explainRecord(id string, err error) error {
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != payment.CodeInternal {
		return err
	}
	return fmt.Errorf("what Redis keeps of %s cannot be read: %w. Kasse neither shows nor overwrites it, and answers 500. "+
		"Keep a copy (redis-cli DUMP of the key), delete the key, and run kasse rebuild, which restores it from Stripe",
		id, e.Cause)
}

// ShownOrders are the orders of a customer, newest first.
type ShownOrders struct {
	Customer payment.CustomerID `json:"customer"`
	Orders   []ShownListed      `json:"orders"`
	More     bool               `json:"more"` // there are more than are shown
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

// mostShown bounds the orders of a customer that are listed.
const mostShown = 1000

func (a *App) showCustomer(ctx context.Context, id payment.CustomerID, o ShowOptions, out io.Writer) error {
	if !a.OrderIndex {
		return errors.New("the orders of a customer are found by the index, and ORDER_INDEX is false: ask by order or " +
			"PaymentIntent")
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
		return fmt.Errorf("the index knows no order of %s; orders from before ORDER_INDEX was set, and former customers of "+
			"an order, are not in it", id)
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
			line += fmt.Sprintf("  %s  %s  %s  %s", *o.Payment, *o.State, money(*o.Amount, *o.Currency), stamp(*o.CreatedAt))
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

// money is an amount in minor units with its currency, as Stripe writes it.
func money(amount int64, currency string) string { return fmt.Sprintf("%d %s", amount, currency) }

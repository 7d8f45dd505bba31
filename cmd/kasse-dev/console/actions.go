package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// step is a call of one control route of the simulator.
type step struct {
	path string
	body any
}

// action is a button for an order: its call and its condition.
type action struct {
	name     string
	possible func(*payment) bool
	// step returns the control route to call. It may need data from Kasse or the simulator.
	step func(context.Context, *Console, *payment) (step, error)
}

type object = map[string]any

// onPayment returns a call of a control route of the payment, with a fixed body.
func onPayment(route string, body any) func(context.Context, *Console, *payment) (step, error) {
	return func(_ context.Context, _ *Console, p *payment) (step, error) {
		return step{"/payments/" + p.PaymentIntent + "/" + route, body}, nil
	}
}

func open(p *payment) bool {
	return p.Status == "requires_payment_method" || p.Status == "requires_confirmation" || p.Status == "requires_action"
}

func processing(p *payment) bool  { return p.Status == "processing" }
func authorized(p *payment) bool  { return p.Status == "requires_capture" }
func succeeded(p *payment) bool   { return p.Status == "succeeded" }
func unpaid(p *payment) bool      { return open(p) || authorized(p) }
func anywhere(*payment) bool      { return true }
func atBank(p *payment) bool      { return p.Status == "requires_action" && p.Next == "authenticate" }
func elsewhere(p *payment) bool   { return p.Status == "requires_action" && p.Next == "wait" }
func refundable(p *payment) bool  { return succeeded(p) && p.AmountRefunded < p.AmountReceived }
func refunded(p *payment) bool    { return succeeded(p) && p.AmountRefunded > 0 }
func undisputed(p *payment) bool  { return succeeded(p) && p.Dispute == nil }
func inDispute(p *payment) bool   { return p.Dispute != nil && p.State == "disputed" }
func reviewed(p *payment) bool    { return p.Review != nil }
func unreviewed(p *payment) bool  { return succeeded(p) && p.Review == nil }
func hasVoucher(p *payment) bool  { return open(p) && vouchers[p.Currency] != "" }
func takesDebits(p *payment) bool { return open(p) && p.Currency == "eur" }
func appealable(p *payment) bool {
	return p.Dispute != nil && (p.Dispute.Status == "lost" || p.Dispute.Status == "appeal_needs_response")
}

// vouchers maps a currency to the next_action type that shows a voucher.
var vouchers = map[string]string{
	"eur": "multibanco_display_details", "mxn": "oxxo_display_details", "brl": "boleto_display_details",
	"jpy": "konbini_display_details",
}

// actions are the buttons of an order.
var actions = []action{
	{"pay", open, onPayment("pay", object{"payment_method": "pm_card_visa"})},
	{"decline", open, onPayment("decline", object{"code": "card_declined", "decline_code": "insufficient_funds"})},
	{"challenge", open, onPayment("action", object{"type": "use_stripe_sdk"})},
	{"agree", atBank, onPayment("authenticate", object{"fail": false})},
	{"disagree", atBank, onPayment("authenticate", object{"fail": true})},
	{"debit", takesDebits, onPayment("pay", object{"payment_method": "pm_sepaDebit"})},
	{"settle", processing, onPayment("settle", object{"fail": false})},
	{"fail", processing, onPayment("settle", object{"fail": true})},
	{"voucher", hasVoucher, voucher},
	{"voucher-paid", elsewhere, onPayment("settle", object{"fail": false})},
	{"voucher-expired", elsewhere, onPayment("settle", object{"fail": true})},

	{"capture", authorized, onPayment("status", object{"status": "succeeded"})},
	{"cancel", unpaid, onPayment("status", object{"status": "canceled"})},
	{"refund", refundable, onPayment("refund", object{"amount": 0})},
	{"refund-part", refundable, refundPart},
	{"refund-fails", refunded, failRefund},
	{"dispute", undisputed, onPayment("dispute", object{"reason": "fraudulent"})},
	{"dispute-won", inDispute, onDispute("won")},
	{"dispute-lost", inDispute, onDispute("lost")},
	{"appeal", appealable, appeal},
	{"review", unreviewed, onPayment("review", object{"reason": "rule"})},
	{"approve", reviewed, approve},

	{"lose", anywhere, onPayment("next_events", object{"delivery": "lost"})},
	{"double", anywhere, onPayment("next_events", object{"delivery": "doubled"})},
	{"delay", anywhere, onPayment("next_events", object{"delivery": "late", "delay": "10s"})},
	{"resend", anywhere, resend},
	{"thin", anywhere, sendThin},
}

func voucher(_ context.Context, _ *Console, p *payment) (step, error) {
	return step{"/payments/" + p.PaymentIntent + "/action", object{"type": vouchers[p.Currency]}}, nil
}

// refundPart refunds half of the rest, in multiples of 100 if possible, since some currencies have no smaller
// unit.
func refundPart(_ context.Context, _ *Console, p *payment) (step, error) {
	half := (p.AmountReceived - p.AmountRefunded) / 2
	if half >= 100 {
		half -= half % 100
	}
	return step{"/payments/" + p.PaymentIntent + "/refund", object{"amount": max(1, half)}}, nil
}

// failRefund lets the newest successful refund fail.
func failRefund(ctx context.Context, c *Console, p *payment) (step, error) {
	var page struct{ Refunds []identity }
	if err := c.callKasse(ctx, http.MethodGet, "/v1/payments/"+p.PaymentIntent+"/refunds", nil, &page); err != nil {
		return step{}, err
	}
	for _, refund := range page.Refunds {
		if refund.Status != "failed" && refund.Status != "canceled" {
			return step{"/refunds/" + refund.ID, object{"status": "failed"}}, nil
		}
	}
	return step{}, &refusal{http.StatusConflict, "No refund can fail now."}
}

func onDispute(status string) func(context.Context, *Console, *payment) (step, error) {
	return func(_ context.Context, _ *Console, p *payment) (step, error) {
		return step{"/disputes/" + p.Dispute.ID, object{"status": status}}, nil
	}
}

// appeal lets the card network offer an appeal of a lost dispute, and then decides it.
func appeal(ctx context.Context, c *Console, p *payment) (step, error) {
	to := "appeal_needs_response"
	if p.Dispute.Status == to {
		to = "appeal_under_review"
	}
	return onDispute(to)(ctx, c, p)
}

func approve(_ context.Context, _ *Console, p *payment) (step, error) {
	return step{"/reviews/" + p.Review.ID, object{"status": "approved"}}, nil
}

// resend delivers the payment's newest event again, even a dropped one.
func resend(_ context.Context, c *Console, p *payment) (step, error) {
	activities, _ := c.seen.all()
	for _, a := range slices.Backward(activities) {
		if a.Event != "" && a.PaymentIntent == p.PaymentIntent && !a.Thin {
			return step{"/events/" + a.Event + "/resend", nil}, nil
		}
	}
	return step{}, &refusal{http.StatusConflict, "No event exists yet."}
}

func sendThin(_ context.Context, _ *Console, p *payment) (step, error) {
	kind := "payment_intent.created"
	if succeeded(p) {
		kind = "payment_intent.succeeded"
	}
	return step{"/objects/" + p.PaymentIntent + "/event", object{"type": kind, "thin": true}}, nil
}

// act handles POST /api/actions/{action}. The body names the order, if the action has one.
func (c *Console) act(w http.ResponseWriter, r *http.Request) {
	var in struct {
		OrderID string `json:"order_id"`
		Days    int    `json:"days"` // days to pass
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		Refuse(w, http.StatusBadRequest, "The body must be JSON.")
		return
	}
	if c.Control == "" {
		Refuse(w, http.StatusConflict, "This kasse-dev has no simulated Stripe.")
		return
	}
	name := r.PathValue("action")
	var err error
	if world, known := worldActions[name]; known {
		err = world(r.Context(), c, in.Days)
	} else {
		err = c.actOn(r.Context(), name, in.OrderID)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.news.notify()
	WriteJSON(w, http.StatusOK, map[string]bool{"done": true})
}

// actOn runs an action on an order's current payment.
func (c *Console) actOn(ctx context.Context, name, id string) error {
	for _, a := range actions {
		if a.name != name {
			continue
		}
		o, err := c.order(ctx, id)
		if err != nil {
			return err
		}
		if o.Payment == nil || !a.possible(o.Payment) {
			return &refusal{http.StatusConflict, "This is not possible in the order's state."}
		}
		s, err := a.step(ctx, c, o.Payment)
		if err != nil {
			return err
		}
		return c.callControl(ctx, http.MethodPost, s.path, s.body, nil)
	}
	return &refusal{http.StatusNotFound, "There is no such action."}
}

// mostDays limits how many days may pass at once.
const mostDays = 400

// worldActions are the buttons for all orders.
var worldActions = map[string]func(context.Context, *Console, int) error{
	"stripe-down": func(ctx context.Context, c *Console, _ int) error {
		return c.callControl(ctx, http.MethodPost, "/faults", object{"kind": "dropped", "times": -1}, nil)
	},
	"stripe-up": func(ctx context.Context, c *Console, _ int) error {
		return c.callControl(ctx, http.MethodDelete, "/faults", nil, nil)
	},
	"pass": func(ctx context.Context, c *Console, days int) error {
		if days < 1 || days > mostDays {
			return &refusal{http.StatusBadRequest, fmt.Sprintf("The days must be from 1 to %d.", mostDays)}
		}
		return c.callControl(ctx, http.MethodPost, "/pass", object{"time": fmt.Sprintf("%dh", 24*days)}, nil)
	},
}

// showWorld handles GET /api/world.
func (c *Console) showWorld(w http.ResponseWriter, r *http.Request) {
	world := struct {
		Shop       string `json:"shop"`
		Simulated  bool   `json:"simulated"`
		StripeDown bool   `json:"stripe_down"`
	}{Shop: c.Shop, Simulated: c.Control != ""}
	if world.Simulated {
		var faults []struct {
			Endpoint, Kind string
			Times          int
		}
		if err := c.callControl(r.Context(), http.MethodGet, "/faults", nil, &faults); err != nil {
			c.fail(w, r, err)
			return
		}
		for _, f := range faults {
			if f.Kind == "dropped" && f.Endpoint == "" && f.Times < 0 {
				world.StripeDown = true
			}
		}
	}
	WriteJSON(w, http.StatusOK, world)
}

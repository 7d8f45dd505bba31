package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"kasse/service/payment"
)

func (r *replica) PaymentForm(c payment.CreateRequest, terms payment.Terms, attempt int, rev int64) string {
	return formOf(c, terms, attempt, rev)
}

func (r *replica) OpenPayment(ctx context.Context, key, form string) (payment.Answer, error) {
	return toStripe(ctx, r, "OpenPayment", key, func() (payment.Answer, error) { return r.sim.stripe.open(key, form) })
}

// FindPayments lists the payments that name the order. The content may be older than the list's date.
func (r *replica) FindPayments(
	ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
) ([]payment.Answer, error) {
	return toStripe(ctx, r, "FindPayments", string(order), func() (found []payment.Answer, _ error) {
		for _, p := range slices.Backward(r.sim.stripe.of(order)) {
			if p.created >= since.Unix() && p.created <= until.Unix() && (customer == "" || customer == p.Customer) {
				a := r.sim.stripe.answer(p)
				a.Stale, a.Charged = true, 0
				found = append(found, a)
			}
		}
		return found, nil
	})
}

// FindCreationKey distinguishes Kasse's PaymentIntents from those of other users with a copy of their metadata.
func (r *replica) FindCreationKey(ctx context.Context, id payment.ID, _ int64) (key string, known bool, err error) {
	key, err = toStripe(ctx, r, "FindCreationKey", string(id), func() (string, error) {
		for _, e := range r.sim.stripe.events {
			if e.Type == "payment_intent.created" && e.Intent.ID == id {
				known = true
				return e.Key, nil
			}
		}
		return "", nil
	})
	return key, known, err
}

func (r *replica) OpenSession(
	ctx context.Context, customer payment.CustomerID, _ payment.SessionFeatures,
) (payment.Session, error) {
	return toStripe(ctx, r, "OpenSession", string(customer), func() (payment.Session, error) {
		return r.sim.stripe.session(), nil
	})
}

func (r *replica) UpdateAmount(ctx context.Context, id payment.ID, amount, rev int64) (payment.Answer, error) {
	about := fmt.Sprintf("%s to %d", id, amount)
	return toStripe(ctx, r, "UpdateAmount", about, func() (payment.Answer, error) {
		return r.sim.stripe.updateAmount(id, amount, rev)
	})
}

func (r *replica) CancelPayment(ctx context.Context, id payment.ID, _ string) (payment.Answer, error) {
	return toStripe(ctx, r, "CancelPayment", string(id), func() (payment.Answer, error) {
		return r.sim.stripe.cancel(id, actorOf(ctx))
	})
}

func (r *replica) RecordClosed(ctx context.Context, id payment.ID, why payment.Closure) error {
	_, err := toStripe(ctx, r, "RecordClosed", string(id)+" "+string(why), func() (any, error) {
		return nil, r.sim.stripe.setClosed(id, why)
	})
	return err
}

func (r *replica) RecordForgotten(ctx context.Context, id payment.ID) error {
	_, err := toStripe(ctx, r, "RecordForgotten", string(id), func() (any, error) {
		return nil, r.sim.stripe.setForgotten(id)
	})
	return err
}

func (r *replica) CapturePayment(ctx context.Context, id payment.ID, amount int64) (payment.Answer, error) {
	about := fmt.Sprintf("%d of %s", amount, id)
	return toStripe(ctx, r, "CapturePayment", about, func() (payment.Answer, error) {
		return r.sim.stripe.capture(id, amount)
	})
}

func (r *replica) RetrievePayment(ctx context.Context, id payment.ID) (payment.Answer, error) {
	return toStripe(ctx, r, "RetrievePayment", string(id), func() (payment.Answer, error) {
		return r.sim.stripe.retrieve(id)
	})
}

func (r *replica) RefundForm(id payment.ID, call string, amount int64, reason string) string {
	text, _ := json.Marshal(refundForm{id, call, amount, reason})
	return string(text)
}

func (r *replica) OpenRefund(ctx context.Context, key, form string) (payment.RefundSeen, error) {
	return toStripe(ctx, r, "OpenRefund", key[len(key)-8:], func() (payment.RefundSeen, error) {
		return r.sim.stripe.openRefund(key, form)
	})
}

// ParseEvent takes the event's id as its body. The tests of service/stripe cover signatures and encoding.
func (r *replica) ParseEvent(body []byte, _ string) (payment.StripeEvent, error) {
	return r.sim.stripe.parse(string(body))
}

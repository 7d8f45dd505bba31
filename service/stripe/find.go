package stripe

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"kasse/service/payment"
)

// FindPayments lists the PaymentIntents of an order made in a period, newest first; of one customer, if one
// is given. It reads Stripe's whole list, since Search lags and must not decide. A listed PaymentIntent may
// be older than the list's date. It returns an error if one of the order's is invalid, since an attempt must
// not count as missing.
func (g *Gateway) FindPayments(
	ctx context.Context, order payment.OrderID, customer payment.CustomerID, since, until time.Time,
) ([]payment.Answer, error) {
	query := url.Values{
		"created[gte]": {strconv.FormatInt(since.Unix(), 10)}, "created[lte]": {strconv.FormatInt(until.Unix(), 10)},
		"limit": {pageSize},
	}
	setUnlessEmpty(query, "customer", string(customer))
	var found []payment.Answer
	for {
		var page pageOf[json.RawMessage]
		if _, err := g.call(ctx, http.MethodGet, "/v1/payment_intents", "", query, &page); err != nil {
			return nil, err
		}
		for _, text := range page.Data {
			row, origin, err := readRow(text)
			switch {
			case origin.Service != g.Service, origin.Order != order:
				continue
			case err != nil:
				return nil, unreadableAnswer(err)
			}
			found = append(found, payment.Answer{
				Intent: row.translate(), Date: date(page.LastResponse.Header, g.Now), Stale: true,
			})
		}
		last := page.next(idOf)
		if last == "" {
			return found, nil
		}
		query.Set("starting_after", last)
	}
}

// creationMargin is the largest delay, in seconds, of the payment_intent.created event after its
// PaymentIntent.
const creationMargin = 60

// FindCreationKey returns the idempotency key of the call that made a PaymentIntent, from its
// payment_intent.created event. It returns false if Stripe no longer lists the event (after 30 days), or if
// the event's API version names no key.
func (g *Gateway) FindCreationKey(
	ctx context.Context, id payment.ID, created int64,
) (key string, known bool, err error) {
	query := url.Values{
		"type": {"payment_intent.created"}, "created[lte]": {strconv.FormatInt(created+creationMargin, 10)},
	}
	for after := ""; ; {
		page, err := readPage[json.RawMessage](ctx, g, "/v1/events", query, time.Unix(created, 0), after)
		if err != nil {
			return "", false, err
		}
		for _, body := range page.Data {
			if e := decodeEvent(body); e.Intent != nil && e.Intent.ID == id {
				return e.Key, !namesNoKey(body), nil
			}
		}
		if after = page.next(idOf); after == "" {
			return "", false, nil
		}
	}
}

// namesNoKey reports whether an event has an API version before 2017-05-25, in which it has only the
// request's id.
func namesNoKey(body []byte) bool {
	call := membersOf(body).get("request")
	return len(call) > 0 && call[0] == '"'
}

package stripe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"kasse/service/payment"
)

// FindPayments lists the PaymentIntents of an order that were made in a period, newest first; of one customer where one is
// given. It reads Stripe's list to the end, since Search lags and must not decide. A listed PaymentIntent may be older than
// the list's date.
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
		var page pageOf[intent]
		if _, err := g.call(ctx, http.MethodGet, "/v1/payment_intents", "", query, &page); err != nil {
			return nil, err
		}
		for i := range page.Data {
			if g.names(&page.Data[i], order) {
				found = append(found, payment.Answer{
					Intent: page.Data[i].translate(), Date: date(page.LastResponse.Header, g.Now), Stale: true,
				})
			}
		}
		if !page.HasMore || len(page.Data) == 0 {
			return found, nil
		}
		query.Set("starting_after", page.Data[len(page.Data)-1].ID)
	}
}

// names reports whether a PaymentIntent can be read and names the order.
func (g *Gateway) names(p *intent, order payment.OrderID) bool {
	origin := payment.OriginOf(p.Metadata)
	return origin.Service == g.Service && origin.Order == order && p.unreadable() == nil
}

package stripe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service"
)

// findMargin is how much earlier than the reservation, or later than the last try, a listed PaymentIntent may be dated:
// clocks differ, and a try may take its time.
const findMargin = 5 * time.Minute

// listed is a page of PaymentIntents, newest first.
//
// Source: https://docs.stripe.com/api/payment_intents/list
type listed struct {
	stripego.APIResource
	Data    []intent `json:"data"`
	HasMore bool     `json:"has_more"`
}

// FindPayment lists the PaymentIntents made while the attempt was tried, to the end, for the one that names it. (Search
// lags, and must not decide.) What a list shows may be older than its date.
func (g *Gateway) FindPayment(ctx context.Context, order service.OrderID, a service.Attempt) (*service.Answer, error) {
	since := time.UnixMilli(a.Reserved).Add(-findMargin).Unix()
	until := time.UnixMilli(max(a.Tried, a.Reserved)).Add(findMargin).Unix()
	query := url.Values{"created[gte]": {strconv.FormatInt(since, 10)}, "created[lte]": {strconv.FormatInt(until, 10)}, "limit": {"100"}}
	setUnlessEmpty(query, "customer", string(a.Terms.Customer))
	for {
		var page listed
		if _, err := g.call(ctx, http.MethodGet, "/v1/payment_intents", "", query, &page); err != nil {
			return nil, err
		}
		for i := range page.Data {
			if g.names(&page.Data[i], order, a.Number) {
				return &service.Answer{Intent: page.Data[i].translate(), Date: date(page.LastResponse.Header, g.Now), Stale: true}, nil
			}
		}
		if !page.HasMore || len(page.Data) == 0 {
			return nil, nil //nolint:nilnil // that there is none is an answer
		}
		query.Set("starting_after", page.Data[len(page.Data)-1].ID)
	}
}

func (g *Gateway) names(p *intent, order service.OrderID, attempt int) bool {
	origin := service.OriginOf(p.Metadata)
	return origin.Service == g.Service && origin.Order == order && origin.Attempt == attempt && p.unreadable() == nil
}

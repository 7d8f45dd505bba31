package process_test

import "net/http"

// mixTruth is the state of Stripe, and the events that backends have got, by order.
type mixTruth struct {
	payments map[string][]pricedTruth
	refunds  map[string][]reversal // by payment, oldest first
	overlaps map[string]string     // reasons, for orders with a new payment before the previous one was cancelled
	feed     map[string][]mixEvent
}

// pricedTruth is truth with the currency.
type pricedTruth struct {
	truth
	Currency string `json:"currency"`
}

// mixEvent is an event as a backend gets it.
type mixEvent struct {
	Type string
	Data view
}

// orderShown is the answer to GET /v1/orders/{order_id}.
type orderShown struct {
	Closed     bool       `json:"closed"`
	Payment    *mixView   `json:"payment"`
	Superseded []*mixView `json:"superseded"`
}

// mixView is a payment in orderShown.
type mixView struct {
	view
	Status           string `json:"status"`
	Superseded       bool   `json:"superseded"`
	Currency         string `json:"currency"`
	AmountCapturable int64  `json:"amount_capturable"`
	AmountRefunded   int64  `json:"amount_refunded"`
}

// listAll returns all entries of a list of Stripe, newest first.
func listAll[T any](m *mix, path string, id func(T) string) (all []T) {
	m.t.Helper()
	for after := ""; ; {
		var page struct {
			Data    []T
			HasMore bool `json:"has_more"`
		}
		m.requestStripe(http.MethodGet, path+"?limit=100"+after, stripeKey, nil, &page)
		if all = append(all, page.Data...); !page.HasMore {
			return all
		}
		after = "&starting_after=" + id(page.Data[len(page.Data)-1])
	}
}

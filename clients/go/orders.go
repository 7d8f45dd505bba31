package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// OrderQuery selects the orders that ListOrders and Orders return. The zero value selects all.
type OrderQuery struct {
	Customer     CustomerID // only this customer's orders; empty: all customers'
	State        State      // only orders whose payment is in this state now; a rare state takes many pages
	CreatedAfter time.Time  // only orders that Kasse first stored after this time; zero: all
	Limit        int        // the largest number of orders in one page, 1 to 100; 0 means 20
	After        Cursor     // Next of the page before; empty: from the newest order
}

// ListOrders returns one page of orders, newest first. It needs the scope read. The page may have
// fewer orders than the limit, or none, and still a Next. Next is nil at the end.
// ProblemCodeNotFound means that the server keeps no index (ORDER_INDEX=false).
func (c *Client) ListOrders(ctx context.Context, q OrderQuery) (*OrderPage, error) {
	page := new(OrderPage)
	if err := c.call(ctx, request{method: http.MethodGet, path: q.path()}, page); err != nil {
		return nil, err
	}
	return page, nil
}

// Orders yields the orders of all pages, newest first, and requests each page when it is needed. It
// needs the scope read. With a filter, an order that changes meanwhile may be missing. Orders ends
// with an error when a page fails after Options.Tries requests, or when the context ends. An end
// without an error means that there are no more orders. For the errors see ListOrders.
func (c *Client) Orders(ctx context.Context, q OrderQuery) iter.Seq2[*Order, error] {
	return func(yield func(*Order, error) bool) {
		for {
			page, err := c.ListOrders(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Orders {
				if !yield(&page.Orders[i], nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			q.After = *page.Next
		}
	}
}

func (q OrderQuery) path() string {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("customer", q.Customer)
	set("state", string(q.State))
	set("after", q.After)
	if !q.CreatedAfter.IsZero() {
		set("created_after", q.CreatedAfter.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	return "/v1/orders?" + query.Encode()
}

package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// FromNow is a cursor for Feed and FeedOf that skips all past events. Their first page then has no
// events, only the newest cursor.
const FromNow Cursor = "latest"

// FeedQuery selects the events that FeedOf yields. The zero value selects all.
type FeedQuery struct {
	After Cursor   // Next of the last page handled, or FromNow; empty: from the oldest event kept
	Types []string // only these types, such as order.paid; none: all
	Order OrderID  // only this order's events; empty: all orders'
}

// Feed yields the pages of the feed after a cursor. It needs the scope events. The empty cursor
// starts at the oldest event kept. A page has up to 100 events, or none. At the end of the feed the
// loop waits for the next event.
//
// Handle the page's events and store its Next in one transaction: Next is the cursor to resume from
// after a restart. Events are in order within an order, and each comes at least once. So fulfilment
// needs a unique key in the shop's database.
//
// Feed retries network errors and retryable answers without limit. It ends with an error when Kasse
// refuses the request or the context ends. After ProblemCodeCursorExpired resume from the error's
// Oldest, and read each open order with Client.Order.
func (c *Client) Feed(ctx context.Context, after Cursor) iter.Seq2[*EventPage, error] {
	return c.FeedOf(ctx, FeedQuery{After: after})
}

// FeedOf is Feed for some types of events, or for one order. Next moves past the events that are left
// out. Use Next with the same query only. A type that the server does not know gives
// ProblemCodeInvalidRequest.
func (c *Client) FeedOf(ctx context.Context, q FeedQuery) iter.Seq2[*EventPage, error] {
	return func(yield func(*EventPage, error) bool) {
		var pause backoff
		for {
			page := new(EventPage)
			if _, err := c.send(ctx, feedRequest(q), page); err != nil {
				if err = c.outlast(ctx, err, &pause); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			pause = backoff{}
			news := page.Next != q.After
			q.After = page.Next
			if news && !yield(page, nil) {
				return
			}
			if len(page.Events) == 0 {
				if err := sleep(ctx, afterNothing); err != nil {
					yield(nil, err)
					return
				}
			}
		}
	}
}

func feedRequest(q FeedQuery) request {
	query := url.Values{"after": {q.After}}
	hold := longestHold
	if q.After == FromNow { // the first page only brings the cursor
		hold = 0
	}
	query.Set("wait", strconv.Itoa(int(hold/time.Second)))
	if len(q.Types) > 0 {
		query.Set("type", strings.Join(q.Types, ","))
	}
	if q.Order != "" {
		query.Set("order_id", q.Order)
	}
	return request{method: http.MethodGet, path: "/v1/events?" + query.Encode(), hold: hold}
}

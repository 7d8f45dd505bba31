package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// FromNow is a cursor for Feed that skips all past events.
const FromNow Cursor = "latest"

// Feed yields the pages of the feed after a cursor. The empty cursor starts at the oldest event
// kept. Handle the page's events and store its Next in one transaction: Next is the cursor to
// resume from after a restart. A page may have no events. Delivery is at least once, so fulfilment
// needs a unique key in the shop's database.
//
// Feed retries network errors and retryable answers without limit. It ends with an error when Kasse
// refuses the request or the context ends. After ProblemCodeCursorExpired resume from the error's
// Oldest, and read each open order with Client.Order.
func (c *Client) Feed(ctx context.Context, after Cursor) iter.Seq2[*EventPage, error] {
	return func(yield func(*EventPage, error) bool) {
		var pause backoff
		for {
			page := new(EventPage)
			if _, err := c.send(ctx, feedRequest(after), page); err != nil {
				if err = c.outlast(ctx, err, &pause); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			pause = backoff{}
			news := page.Next != after
			after = page.Next
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

func feedRequest(after Cursor) request {
	query := url.Values{"after": {after}}
	hold := longestHold
	if after == FromNow { // the first page only brings the cursor
		hold = 0
	}
	query.Set("wait", strconv.Itoa(int(hold/time.Second)))
	return request{method: http.MethodGet, path: "/v1/events?" + query.Encode(), hold: hold}
}

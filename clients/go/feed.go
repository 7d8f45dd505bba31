package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// FromNow is a cursor for Feed that leaves out what has happened before.
const FromNow Cursor = "latest"

// Feed yields the pages of the feed that follow a cursor; the empty cursor begins with the oldest event kept. Handle the
// page's events and store its Next in one transaction: it is the cursor to begin with after a restart. A page may have
// no events. Events come at least once, so that fulfilment needs a unique key of the shop's own.
//
// Feed never ends by itself. It goes on through failures of the network and of Kasse, and ends with an error where Kasse
// refuses for good or the context ends. After ProblemCodeCursorExpired begin again from the error's Oldest, and ask for
// each order that still waits for an event.
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
	if after == FromNow { // the cursor itself is the answer
		hold = 0
	}
	query.Set("wait", strconv.Itoa(int(hold/time.Second)))
	return request{method: http.MethodGet, path: "/v1/events?" + query.Encode(), hold: hold}
}

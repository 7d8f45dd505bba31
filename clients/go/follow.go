package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// longestHold is the most that Kasse holds an answer. Source: openapi.yaml, the parameter wait.
const longestHold = 25 * time.Second

// afterNothing is the pause after an answer without news: a server that shuts down answers at once.
const afterNothing = 500 * time.Millisecond

// WaitForChange returns the payment's newest view as soon as it differs from seen, and seen itself where nothing has
// changed within the time: whole seconds, at most 25.
func (c *Client) WaitForChange(ctx context.Context, seen *View, wait time.Duration) (*View, error) {
	r, err := statusRequest(seen.PaymentIntent, seen.Version, wait)
	if err != nil {
		return nil, err
	}
	view := *seen // a 304 leaves it as it is
	if err := c.call(ctx, r, &view); err != nil {
		return nil, err
	}
	if view.Version == seen.Version {
		return seen, nil
	}
	return &view, nil
}

// Follow yields the payment's view now and at each change, and ends after a final one. It goes on through failures of the
// network and of Kasse, and ends with an error where Kasse refuses for good or the context ends. A payment that failed
// is not final, and a debit is processing for days: stop the loop when you have seen what you waited for.
func (c *Client) Follow(ctx context.Context, id PaymentID) iter.Seq2[*View, error] {
	return func(yield func(*View, error) bool) {
		var version Version
		var pause backoff
		for {
			r, err := statusRequest(id, version, longestHold)
			if err != nil {
				yield(nil, err)
				return
			}
			view := new(View)
			changed, err := c.send(ctx, r, view)
			switch {
			case err != nil:
				if err = c.outlast(ctx, err, &pause); err != nil {
					yield(nil, err)
					return
				}
				continue
			case changed:
				version = view.Version
				if !yield(view, nil) || view.Final {
					return
				}
			default:
				if err := sleep(ctx, afterNothing); err != nil {
					yield(nil, err)
					return
				}
			}
			pause = backoff{}
		}
	}
}

// outlast pauses after a failure that may pass, and returns an error where a loop has to end.
func (c *Client) outlast(ctx context.Context, failure error, pause *backoff) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !transient(failure) {
		return failure
	}
	return pause.wait(ctx, failure)
}

// statusRequest asks for the payment's view: at once where no version is known, else at its next change.
func statusRequest(id PaymentID, version Version, wait time.Duration) (request, error) {
	path, err := pathOf("payments", id, "")
	if err != nil || version == 0 {
		return request{method: http.MethodGet, path: path}, err
	}
	hold := max(0, min(wait, longestHold)).Truncate(time.Second)
	query := url.Values{"wait": {strconv.Itoa(int(hold / time.Second))}}
	header := map[string]string{"If-None-Match": etag(version)}
	return request{method: http.MethodGet, path: path + "?" + query.Encode(), header: header, hold: hold}, nil
}

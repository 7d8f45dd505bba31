package kasse

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// longestHold is the longest wait that Kasse accepts. Source: openapi.yaml, the parameter wait.
const longestHold = 25 * time.Second

// afterNothing is the pause after an unchanged view or an empty page. A server that shuts down ends
// long polls at once. A cache that removes If-None-Match turns each long poll into a plain read. A
// filtered page is empty after 16,000 events that do not match.
const afterNothing = 500 * time.Millisecond

// WaitForChange returns the payment's view as soon as its version differs from that of seen. It
// returns seen itself if nothing changes within wait. The wait is rounded down to whole seconds, and
// is 25 s at most. It needs the scope read, an order token or a client secret.
func (c *Client) WaitForChange(ctx context.Context, seen *View, wait time.Duration) (*View, error) {
	r, err := statusRequest(seen.PaymentIntent, seen.Version, wait)
	if err != nil {
		return nil, err
	}
	view := *seen // unchanged by a 304
	if err := c.call(ctx, r, &view); err != nil {
		return nil, err
	}
	if view.Version == seen.Version {
		return seen, nil
	}
	return &view, nil
}

// Follow yields the payment's current view and then each change, and ends after a final view. It
// needs the scope read, an order token or a client secret. It retries network errors and retryable
// answers without limit, and ends with an error when Kasse refuses the request or the context ends.
//
// A change may leave the state as it is: compare the state before you act on it. A failed payment is
// not final, and a debit stays in processing for days: break out of the loop when you have the state
// that you need.
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
			case changed && view.Version > version:
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

// outlast pauses after a transient failure. It returns an error if the loop has to end.
func (c *Client) outlast(ctx context.Context, failure error, pause *backoff) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !transient(failure) {
		return failure
	}
	return pause.wait(ctx, failure)
}

// statusRequest builds a GET of the payment's view. With a known version (not 0) it is a long poll
// for the next change.
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

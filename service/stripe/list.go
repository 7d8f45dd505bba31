package stripe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	stripego "github.com/stripe/stripe-go/v79"

	"kasse/service/payment"
)

// pageOf is a page of one of Stripe's lists, newest first.
//
// Source: https://docs.stripe.com/api/pagination
type pageOf[T any] struct {
	stripego.APIResource
	Data    []T  `json:"data"`
	HasMore bool `json:"has_more"`
}

const pageSize = "100" // Stripe's maximum

// readPage reads the page of objects made since a time, after the row with an id.
func readPage[T any](
	ctx context.Context, g *Gateway, path string, query url.Values, since time.Time, after string,
) (*pageOf[T], error) {
	query.Set("created[gte]", strconv.FormatInt(since.Unix(), 10))
	query.Set("limit", pageSize)
	setUnlessEmpty(query, "starting_after", after)
	page := &pageOf[T]{}
	_, err := g.call(ctx, http.MethodGet, path, "", query, page)
	return page, err
}

// next returns the id of the last row, if more rows follow.
func (p *pageOf[T]) next(id func(T) string) string {
	if !p.HasMore || len(p.Data) == 0 {
		return ""
	}
	return id(p.Data[len(p.Data)-1])
}

// EventTypes are the event types that can change a payment. A webhook endpoint must select them, and the
// catch-up lists them.
var EventTypes = payment.StripeEventsWith(payment.NeedState, payment.NeedMoney)

// DetailEventTypes are the event types with payment method details, a receipt or a review. They are optional:
// without them a read or the next catch-up brings the details.
var DetailEventTypes = payment.StripeEventsWith(payment.NeedDetail)

// AllEventTypes returns both kinds.
func AllEventTypes() []string { return slices.Concat(EventTypes, DetailEventTypes) }

// details begins the cursors of the second list, of DetailEventTypes: Stripe accepts too few types for a
// single list.
const details = "details:"

// ListEvents returns a page of the events since a time that can change a payment, followed by those with
// details. They have the form of webhooks.
func (g *Gateway) ListEvents(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.StripeEvent], error) {
	after, second := strings.CutPrefix(after, details)
	if !second {
		page, err := g.listEvents(ctx, EventTypes, since, after)
		if page.Next == "" {
			page.Next = details
		}
		return page, err
	}
	page, err := g.listEvents(ctx, DetailEventTypes, since, after)
	if page.Next != "" {
		page.Next = details + page.Next
	}
	return page, err
}

func (g *Gateway) listEvents(
	ctx context.Context, types []string, since time.Time, after string,
) (payment.Page[payment.StripeEvent], error) {
	query := url.Values{}
	for i, kind := range types {
		query.Set("types["+strconv.Itoa(i)+"]", kind)
	}
	page, err := readPage[json.RawMessage](ctx, g, "/v1/events", query, since, after)
	if err != nil {
		return payment.Page[payment.StripeEvent]{}, err
	}
	var notices []payment.StripeEvent
	for _, body := range page.Data {
		notices = append(notices, decodeEvent(body))
	}
	return payment.Page[payment.StripeEvent]{Items: notices, Next: page.next(idOf)}, nil
}

// idOf returns the id of a raw row. An empty id ends the list.
func idOf(row json.RawMessage) string {
	return textOf(membersOf(row).get("id")) // an unreadable row has none
}

// ListRefunds returns a page of the refunds since a time.
func (g *Gateway) ListRefunds(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.ListedReversal], error) {
	return g.listGivenBack(ctx, "/v1/refunds", since, after)
}

// ListDisputes returns a page of the disputes since a time.
func (g *Gateway) ListDisputes(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.ListedReversal], error) {
	return g.listGivenBack(ctx, "/v1/disputes", since, after)
}

// listGivenBack reads each row's id, status, time and PaymentIntent. A row with invalid members is also a
// reason to read its payment. A row without a PaymentIntent belongs to a charge without one.
//
// Source: https://docs.stripe.com/api/refunds/list and https://docs.stripe.com/api/disputes/list
func (g *Gateway) listGivenBack(
	ctx context.Context, path string, since time.Time, after string,
) (payment.Page[payment.ListedReversal], error) {
	page, err := readPage[json.RawMessage](ctx, g, path, url.Values{}, since, after)
	if err != nil {
		return payment.Page[payment.ListedReversal]{}, err
	}
	found := payment.Page[payment.ListedReversal]{Next: page.next(idOf)}
	for _, row := range page.Data {
		of := membersOf(row)
		if id := payment.ID(named(of.get("payment_intent"))); id.Valid() {
			found.Items = append(found.Items, payment.ListedReversal{
				ID: textOf(of.get("id")), Status: textOf(of.get("status")), Payment: id,
				Created: numberOf(of.get("created")),
			})
		}
	}
	return found, nil
}

// ListPayments returns a page of the PaymentIntents made since a time.
func (g *Gateway) ListPayments(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.Listed], error) {
	var page *pageOf[json.RawMessage]
	err := g.withReviews(ctx, "data.review", url.Values{
		"expand[0]": {"data.latest_charge"},
	}, func(query url.Values) (err error) {
		page, err = readPage[json.RawMessage](ctx, g, "/v1/payment_intents", query, since, after)
		return err
	})
	if err != nil {
		return payment.Page[payment.Listed]{}, err
	}
	found := payment.Page[payment.Listed]{Next: page.next(idOf)}
	for _, text := range page.Data {
		row, origin, err := readRow(text)
		if origin.Service != g.Service {
			continue
		}
		if err != nil {
			found.Items = append(found.Items, unreadableRow(text, err))
			continue
		}
		at := date(page.LastResponse.Header, g.Now)
		listed := payment.Listed{Intent: row.translate(), Date: at, Details: row.details(at)}
		if row.AmountReceived > 0 {
			listed.Succeeded = cmp.Or(row.LatestCharge.Created, row.Created)
		}
		found.Items = append(found.Items, listed)
	}
	return found, nil
}

// readRow decodes a PaymentIntent of a list. The origin is set even if the row is invalid.
func readRow(text []byte) (row intent, origin payment.Origin, err error) {
	if err := json.Unmarshal(text, &row); err != nil {
		metadata := map[string]string{}
		for _, m := range membersOf(membersOf(text).get("metadata")) {
			metadata[unquoted(m.name)] = textOf(m.value)
		}
		return intent{}, payment.OriginOf(metadata), errors.New(mistyped)
	}
	return row, payment.OriginOf(row.Metadata), row.unreadable()
}

// unreadableRow is the listed form of an invalid PaymentIntent of ours.
func unreadableRow(text []byte, why error) payment.Listed {
	return payment.Listed{
		Intent: payment.Intent{ID: payment.ID(textOf(membersOf(text).get("id")))}, Unreadable: why.Error(),
	}
}

// ListSuccesses returns a page of the payment_intent.succeeded events.
func (g *Gateway) ListSuccesses(
	ctx context.Context, since time.Time, after string,
) (payment.Page[payment.StripeEvent], error) {
	return g.listEvents(ctx, []string{"payment_intent.succeeded"}, since, after)
}

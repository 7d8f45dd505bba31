package testenv

import (
	"context"
	"fmt"

	"kasse/service/payment"
	"kasse/store"
)

// WriteEvent appends one event about the payment of a new order and returns the event's id. The order's id is
// "order-" and the payment's id.
func WriteEvent(ctx context.Context, s *store.Store, id payment.ID) (string, error) {
	o, now, err := s.LoadOrder(ctx, payment.Ref{Order: payment.OrderID("order-" + id[len("pi_"):])})
	if err != nil {
		return "", err
	}
	o.Version = max(o.Version+1, now.UnixMilli())
	view := fmt.Appendf(
		nil, `{"payment_intent":%q,"order_id":%q,"version":%d,"metadata":{"channel":"web"}}`, id, o.ID, o.Version,
	)
	event := payment.Announcement{ID: fmt.Sprintf("%s.%d", id, o.Version), Type: "order.updated", Data: view}
	_, err = s.SaveOrder(ctx, o, payment.Changes{
		Now: now, Events: []payment.Announcement{event},
		Views: []payment.RenderedView{{Payment: id, JSON: view, Version: o.Version}},
	})
	return event.ID, err
}

package payment

import "slices"

// StripeEventType is a type of Stripe's events that Kasse reads. StripeEventTypes is the single list: the
// catch-up lists these types, kasse check looks for them at an endpoint, and the documents name them.
type StripeEventType struct {
	Type   string
	About  StripeObject
	Need   EventNeed
	Status Status // that the type implies for a PaymentIntent; empty: none
}

// StripeObject is what the object of an event is.
type StripeObject string

// The objects, by Stripe's names.
const (
	AboutIntent  StripeObject = "payment_intent"
	AboutCharge  StripeObject = "charge"
	AboutRefund  StripeObject = "refund"
	AboutDispute StripeObject = "dispute"
	AboutReview  StripeObject = "review"
)

// EventNeed is the consequence for an endpoint that does not get the type.
type EventNeed int

// The needs.
const (
	NeedState  EventNeed = iota // a state is wrong until a sweep reads the payment
	NeedMoney                   // without it partial payments and refunds are noticed late
	NeedDetail                  // the payment method, the receipt or a review is known late
)

// StripeEventTypes are all of them. Stripe takes 20 types in one list, so that the details are listed by themselves.
//
// Source: https://docs.stripe.com/api/events/types and https://docs.stripe.com/api/events/list
var StripeEventTypes = []StripeEventType{
	{"payment_intent.amount_capturable_updated", AboutIntent, NeedState, ""},
	{"payment_intent.canceled", AboutIntent, NeedState, Canceled},
	{"payment_intent.created", AboutIntent, NeedState, ""},
	{"payment_intent.partially_funded", AboutIntent, NeedMoney, ""},
	{"payment_intent.payment_failed", AboutIntent, NeedState, RequiresPaymentMethod},
	{"payment_intent.processing", AboutIntent, NeedState, Processing},
	{"payment_intent.requires_action", AboutIntent, NeedState, RequiresAction},
	{"payment_intent.succeeded", AboutIntent, NeedState, Succeeded},
	{"charge.refunded", AboutCharge, NeedMoney, ""},
	{"charge.refund.updated", AboutRefund, NeedMoney, ""},
	{"refund.created", AboutRefund, NeedMoney, ""},
	{"refund.updated", AboutRefund, NeedMoney, ""},
	{"refund.failed", AboutRefund, NeedMoney, ""},
	{"charge.dispute.closed", AboutDispute, NeedMoney, ""},
	{"charge.dispute.created", AboutDispute, NeedMoney, ""},
	{"charge.dispute.funds_reinstated", AboutDispute, NeedMoney, ""},
	{"charge.dispute.funds_withdrawn", AboutDispute, NeedMoney, ""},
	{"charge.dispute.updated", AboutDispute, NeedMoney, ""},
	{"charge.succeeded", AboutCharge, NeedDetail, ""},
	{"charge.failed", AboutCharge, NeedDetail, ""},
	{"charge.updated", AboutCharge, NeedDetail, ""},
	{"review.opened", AboutReview, NeedDetail, ""},
	{"review.closed", AboutReview, NeedDetail, ""},
}

var stripeEventTypes = func() map[string]StripeEventType {
	byName := make(map[string]StripeEventType, len(StripeEventTypes))
	for _, t := range StripeEventTypes {
		byName[t.Type] = t
	}
	return byName
}()

// FindStripeEventType returns the type with that name; false if Kasse does not know it.
func FindStripeEventType(name string) (StripeEventType, bool) {
	t, known := stripeEventTypes[name]
	return t, known
}

// StripeEventsWith returns the names of the types with one of the needs, in the list's order.
func StripeEventsWith(needs ...EventNeed) (names []string) {
	for _, t := range StripeEventTypes {
		if slices.Contains(needs, t.Need) {
			names = append(names, t.Type)
		}
	}
	return names
}

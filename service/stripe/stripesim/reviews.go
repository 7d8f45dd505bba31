package stripesim

import "slices"

// review is a payment that Radar has selected for manual review.
type review struct {
	ID                string   `json:"id"`
	Object            string   `json:"object"`
	BillingZip        text     `json:"billing_zip"`
	Charge            text     `json:"charge"`
	ClosedReason      text     `json:"closed_reason"`
	Created           unix     `json:"created"`
	IPAddress         text     `json:"ip_address"`
	IPAddressLocation document `json:"ip_address_location"`
	Livemode          bool     `json:"livemode"`
	Open              bool     `json:"open"`
	OpenedReason      string   `json:"opened_reason"`
	PaymentIntent     text     `json:"payment_intent"`
	Reason            string   `json:"reason"`
	Session           document `json:"session"`
}

func (r *review) id() string { return r.ID }

// closedReasons are those of
// https://docs.stripe.com/api/radar/reviews/object#review_object-closed_reason.
var closedReasons = []string{
	"acknowledged", "approved", "canceled", "disputed", "payment_never_settled", "redacted", "refunded",
	"refunded_as_fraud",
}

// openReview puts a charge under review; reason is "rule" or "manual".
func (a *account) openReview(ch *charge, reason string) *review {
	r := &review{
		ID: "prv_1" + a.ids.letters(23), Object: "review", Charge: text(ch.ID), Created: a.unix(), Open: true,
		OpenedReason: reason, PaymentIntent: ch.PaymentIntent, Reason: reason,
	}
	a.reviews.add(r)
	ch.Review = text(r.ID)
	if pi, ok := a.intents.find(string(ch.PaymentIntent)); ok {
		pi.Review = text(r.ID)
	}
	a.emit("review.opened", r)
	return r
}

// closeReview ends a review. The charge and the payment keep its id.
func (a *account) closeReview(r *review, reason string) {
	r.Open, r.ClosedReason, r.Reason = false, text(reason), reason
	a.emit("review.closed", r)
}

// closeReviewOf ends the open review of a charge, if it has one.
func (a *account) closeReviewOf(ch *charge, reason string) {
	if r, ok := a.reviews.find(string(ch.Review)); ok && r.Open {
		a.closeReview(r, reason)
	}
}

// retrieveReview handles GET /v1/reviews/{review}.
func (a *account) retrieveReview(c *call) (any, error) {
	r, f := a.reviewOf(c)
	if f != nil {
		return nil, f
	}
	return r, nil
}

// approveReview handles POST /v1/reviews/{review}/approve.
func (a *account) approveReview(c *call) (any, error) {
	r, f := a.reviewOf(c)
	switch {
	case f != nil:
		return nil, f
	case !r.Open:
		return nil, invalid("", "", "This review is already closed.")
	}
	a.closeReview(r, "approved")
	return r, nil
}

func (a *account) reviewOf(c *call) (*review, *failure) {
	r, ok := a.reviews.find(c.PathValue("review"))
	if !ok {
		return nil, missing("review", c.PathValue("review"), "review").withStatus(404)
	}
	return r, nil
}

// listReviews handles GET /v1/reviews, which lists the open ones.
func (a *account) listReviews(c *call) (any, error) {
	return pageOf(c, a.reviews.newestFirst(func(r *review) bool { return r.Open && c.params.within(r.Created) }))
}

// OpenReview puts a payment's latest charge under review and returns the review's id. reason is
// "rule" or "manual".
func (s *Server) OpenReview(paymentIntent, reason string) (id string, err error) {
	err = s.withIntent(paymentIntent, func(a *account, pi *intent) *failure {
		ch, ok := a.charges.find(string(pi.LatestCharge))
		if !ok {
			return unexpectedState(pi, "%s has no charge to review", pi)
		}
		id = a.openReview(ch, either(reason, "rule")).ID
		return nil
	})
	return id, err
}

// CloseReview ends an open review; reason is Stripe's closed_reason.
func (s *Server) CloseReview(review, reason string) error {
	return s.locked(func(a *account) error {
		r, ok := a.reviews.find(review)
		switch {
		case !ok:
			return missing("review", review, "review")
		case !r.Open:
			return invalid("", "", "This review is already closed.")
		case !slices.Contains(closedReasons, reason):
			return invalid("", "status", "Invalid status: %s; must be one of %v", reason, closedReasons)
		}
		a.closeReview(r, reason)
		return nil
	})
}

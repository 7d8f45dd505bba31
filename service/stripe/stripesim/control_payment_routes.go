package stripesim

import (
	"net/http"
	"time"
)

type (
	statusBody struct {
		Status string `json:"status"` // empty is null, where force is set
		Force  bool   `json:"force,omitempty"`
	}
	outcomeBody struct {
		Fail bool `json:"fail"`
		// of a failed authentication; empty is payment_intent_authentication_failure
		Code string `json:"code,omitempty"`
	}
	payBody struct {
		PaymentMethod string `json:"payment_method"`
	}
	actionBody struct {
		Type      string `json:"type"`
		ExpiresIn span   `json:"expires_in,omitempty"`
	}
	declineBody struct {
		Code        string `json:"code"`
		DeclineCode string `json:"decline_code,omitempty"`
	}
	chargeBody struct {
		ReceiptURL string `json:"receipt_url"`
	}
	amountBody struct {
		Amount int64 `json:"amount"`
	}
	refundPlanBody struct {
		Status *string `json:"status"`           // it begins in this status; null is Stripe's null
		Refuse string  `json:"refuse,omitempty"` // it is refused with this code
	}
	disputeBody struct {
		Reason    string `json:"reason"`
		Inquiry   bool   `json:"inquiry"`
		Prevented string `json:"prevented,omitempty"` // "block" or "resolution"
	}
	reviewBody struct {
		Reason string `json:"reason"` // "rule" or "manual"
	}
	methodBody struct {
		PaymentMethod  string `json:"payment_method"`
		AllowRedisplay string `json:"allow_redisplay"`
	}
)

// move changes an object's status, with its events. With force it sets the status without events.
func (s *Server) move(id string, in statusBody, along func(id, to string) error) (any, error) {
	if in.Force {
		return ended(s.ForceStatus(id, in.Status))
	}
	return ended(along(id, in.Status))
}

// paymentRoutes control payments and their attempts.
func (s *Server) paymentRoutes() []controlRoute {
	return []controlRoute{
		plainRoute("POST /settle", "settle every debit and refund under way", func() (any, error) {
			s.SettleAll()
			return done, nil
		}),
		routeWithBody("POST /payments/{id}/settle", "complete a debit, voucher or transfer, or fail it",
			outcomeBody{}, func(r *http.Request, in outcomeBody) (any, error) {
				return ended(s.Settle(r.PathValue("id"), !in.Fail))
			}),
		routeWithBody("POST /payments/{id}/status", "bring a payment to a status, with all events in between; or "+
			"force one",
			statusBody{Status: "succeeded"}, func(r *http.Request, in statusBody) (any, error) {
				return s.move(r.PathValue("id"), in, s.SetStatus)
			}),
		routeWithBody("POST /payments/{id}/authenticate", "answer the bank page or challenge", outcomeBody{},
			func(r *http.Request, in outcomeBody) (any, error) {
				if in.Fail {
					return ended(s.FailAuthentication(r.PathValue("id"), in.Code))
				}
				return ended(s.Authenticate(r.PathValue("id"), true))
			}),
		routeWithBody("POST /payments/{id}/pay", "attempt with any payment method, offered or not",
			payBody{"pm_sofort"}, func(r *http.Request, in payBody) (any, error) {
				return ended(s.PayWith(r.PathValue("id"), in.PaymentMethod))
			}),
		routeWithBody("POST /payments/{id}/decline", "attempt with a card that is declined with a code",
			declineBody{Code: "payment_method_restricted"}, func(r *http.Request, in declineBody) (any, error) {
				return ended(s.Decline(r.PathValue("id"), in.Code, in.DeclineCode))
			}),
		routeWithBody("POST /payments/{id}/action", "wait for the customer with a next_action of a type, known or not",
			actionBody{
				"oxxo_display_details", span(72 * time.Hour),
			}, func(r *http.Request, in actionBody) (any, error) {
				return ended(s.StartAction(r.PathValue("id"), in.Type, time.Duration(in.ExpiresIn)))
			}),
		routeWithBody("POST /payments/{id}/charge", "change the latest charge's receipt, with charge.updated",
			chargeBody{"https://pay.stripe.com/receipts/2"}, func(r *http.Request, in chargeBody) (any, error) {
				return ended(s.UpdateCharge(r.PathValue("id"), in.ReceiptURL))
			}),
		routeWithBody("POST /customers/{id}/payment_methods", "save a payment method", methodBody{
			"pm_card_visa", "always",
		},
			func(r *http.Request, in methodBody) (any, error) {
				return named(s.SaveMethod(r.PathValue("id"), in.PaymentMethod, in.AllowRedisplay))
			}),
	}
}

// moneyRoutes control refunds, disputes and reviews.
func (s *Server) moneyRoutes() []controlRoute {
	return []controlRoute{
		routeWithBody("POST /payments/{id}/refund", "refund an amount; 0 is all that is left", amountBody{500},
			func(r *http.Request, in amountBody) (any, error) {
				return named(s.Refund(r.PathValue("id"), in.Amount))
			}),
		routeWithBody("POST /next_refund", "the next refund begins in a status, known or not or null, or is refused",
			refundPlanBody{Refuse: "balance_insufficient"}, func(_ *http.Request, in refundPlanBody) (any, error) {
				s.planRefund(in)
				return done, nil
			}),
		routeWithBody("POST /refunds/{id}", "pending, requires_action, succeeded, failed or canceled; or force any",
			statusBody{Status: "failed"}, func(r *http.Request, in statusBody) (any, error) {
				return s.move(r.PathValue("id"), in, s.MoveRefund)
			}),
		routeWithBody("POST /payments/{id}/dispute", "dispute the charge, or prevent that by block or resolution",
			disputeBody{Reason: "fraudulent"}, func(r *http.Request, in disputeBody) (any, error) {
				return named(s.openAny(r.PathValue("id"), in))
			}),
		routeWithBody("POST /disputes/{id}",
			"won, lost, under_review or prevented; appeal_needs_response, then appeal_under_review; or force any",
			statusBody{Status: "won"}, func(r *http.Request, in statusBody) (any, error) {
				return s.move(r.PathValue("id"), in, s.MoveDispute)
			}),
		routeWithBody("POST /payments/{id}/review", "put the latest charge under review", reviewBody{"rule"},
			func(r *http.Request, in reviewBody) (any, error) {
				return named(s.OpenReview(r.PathValue("id"), in.Reason))
			}),
		routeWithBody("POST /reviews/{id}", "close a review with one of Stripe's reasons", statusBody{
			Status: "approved",
		},
			func(r *http.Request, in statusBody) (any, error) {
				return ended(s.CloseReview(r.PathValue("id"), in.Status))
			}),
	}
}

func (s *Server) planRefund(in refundPlanBody) {
	if in.Refuse != "" {
		s.RefuseRefund(in.Refuse)
		return
	}
	status := ""
	if in.Status != nil {
		status = *in.Status
	}
	s.PlanRefund(status)
}

func (s *Server) openAny(paymentIntent string, in disputeBody) (string, error) {
	if in.Prevented != "" {
		return s.PreventDispute(paymentIntent, in.Reason, in.Prevented == "resolution")
	}
	return s.OpenDispute(paymentIntent, in.Reason, in.Inquiry)
}

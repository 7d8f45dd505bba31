package stripesim

import (
	"net/http"
	"slices"
)

// only is the shape of a request that takes only expand.
var only = shape{"expand": aList}

// endpoints is the API, in the order of Stripe's reference.
func endpoints() []endpoint {
	return slices.Concat(customerEndpoints(), paymentEndpoints(), moneyEndpoints(), eventEndpoints())
}

func customerEndpoints() []endpoint {
	return []endpoint{
		{"GET /v1/account", only, false, (*account).retrieveAccount},

		{"POST /v1/customers", customerFields, false, (*account).createCustomer},
		{"GET /v1/customers", paging.with(shape{"email": aText, "created": aRange}), false, (*account).listCustomers},
		{"GET /v1/customers/{customer}", only, false, (*account).retrieveCustomer},
		{"POST /v1/customers/{customer}", customerFields, false, (*account).updateCustomer},
		{"DELETE /v1/customers/{customer}", shape{}, false, (*account).deleteCustomer},
		{
			"GET /v1/customers/{customer}/payment_methods", paging.with(
				shape{"type": aText, "allow_redisplay": aText},
			), false,
			(*account).listMethods,
		},
		{"POST /v1/customer_sessions", sessionCreation, false, (*account).createSession},
		{
			"POST /v1/elements/sessions",
			shape{"customer_session_client_secret": aText.must()},
			true,
			(*account).redeemSession,
		},
		{
			"POST /v1/elements/payment_methods/{method}/detach",
			shape{"customer_session_client_secret": aText.must()},
			true,
			(*account).removeMethod,
		},

		{"POST /v1/payment_methods", methodCreation, true, (*account).createMethod},
		{
			"GET /v1/payment_methods", paging.with(shape{"customer": aText, "type": aText}), false,
			(*account).listMethods,
		},
		{"GET /v1/payment_methods/{method}", only, false, (*account).retrieveMethod},
		{
			"POST /v1/payment_methods/{method}/attach", only.with(shape{"customer": aText.must()}), false,
			(*account).attachMethod,
		},
		{"POST /v1/payment_methods/{method}/detach", only, false, (*account).detachMethod},
	}
}

func paymentEndpoints() []endpoint {
	return []endpoint{
		{"POST /v1/payment_intents", creation, false, (*account).createIntent},
		{
			"GET /v1/payment_intents", paging.with(shape{"customer": aText, "created": aRange}), false,
			(*account).listIntents,
		},
		{
			"GET /v1/payment_intents/search",
			shape{"query": aText.must(), "limit": anInteger, "page": aText, "expand": aList},
			false, (*account).searchIntents,
		},
		{"GET /v1/payment_intents/{intent}", only.with(shape{"client_secret": aText}), true, (*account).retrieveIntent},
		{"POST /v1/payment_intents/{intent}", intentTerms, false, (*account).updateIntent},
		{"POST /v1/payment_intents/{intent}/confirm", confirmation, true, (*account).confirmIntent},
		{"POST /v1/payment_intents/{intent}/verify_microdeposits", depositShape, true, (*account).verifyDeposits},
		{"POST /v1/payment_intents/{intent}/capture", captureShape, false, (*account).captureIntent},
		{"POST /v1/payment_intents/{intent}/cancel", cancelShape, false, (*account).cancelIntent},

		{"GET /v1/charges", paging.with(shape{
			"customer": aText, "payment_intent": aText, "transfer_group": aText,
			"created": aRange,
		}), false, (*account).listCharges},
		{"GET /v1/charges/{charge}", only, false, (*account).retrieveCharge},
		{"POST /v1/charges/{charge}", chargeTerms, false, (*account).updateCharge},
	}
}

// moneyEndpoints are those of refunds, disputes and reviews.
func moneyEndpoints() []endpoint {
	return []endpoint{
		{"POST /v1/refunds", refundShape, false, (*account).createRefund},
		{
			"GET /v1/refunds", paging.with(shape{"charge": aText, "payment_intent": aText, "created": aRange}), false,
			(*account).listRefunds,
		},
		{"GET /v1/refunds/{refund}", only, false, (*account).retrieveRefund},
		{"POST /v1/refunds/{refund}", only.with(shape{"metadata": aHash}), false, (*account).updateRefund},
		{"POST /v1/refunds/{refund}/cancel", only, false, (*account).cancelRefund},

		{
			"GET /v1/disputes", paging.with(shape{"charge": aText, "payment_intent": aText, "created": aRange}), false,
			(*account).listDisputes,
		},
		{"GET /v1/disputes/{dispute}", only, false, (*account).retrieveDispute},
		{
			"POST /v1/disputes/{dispute}", only.with(
				shape{"evidence": aHash, "metadata": aHash, "submit": aBoolean},
			), false,
			(*account).updateDispute,
		},
		{"POST /v1/disputes/{dispute}/close", only, false, (*account).closeDispute},

		{"GET /v1/reviews", paging.with(shape{"created": aRange}), false, (*account).listReviews},
		{"GET /v1/reviews/{review}", only, false, (*account).retrieveReview},
		{"POST /v1/reviews/{review}/approve", only, false, (*account).approveReview},
	}
}

func eventEndpoints() []endpoint {
	return []endpoint{
		{
			"GET /v1/events", paging.with(
				shape{"created": aRange, "type": aText, "types": aList, "delivery_success": aBoolean},
			),
			false, (*account).listEvents,
		},
		{"GET /v1/events/{event}", only, false, (*account).retrieveEvent},
		{"GET /v1/webhook_endpoints", paging, false, (*account).listHooks},
		{"POST /v1/test_helpers/customers/{customer}/fund_cash_balance", fundShape, false, (*account).fundCash},
	}
}

var (
	captureShape = only.with(shape{
		"amount_to_capture": anInteger, "application_fee_amount": anInteger, "final_capture": aBoolean,
		"metadata":                    aHash,
		"statement_descriptor":        aText,
		"statement_descriptor_suffix": aText, "transfer_data": aHash,
	})
	chargeTerms = only.with(shape{
		"customer": aText, "description": aText, "fraud_details": aHash, "metadata": aHash, "receipt_email": aText,
		"shipping": aHash, "transfer_group": aText,
	})
	cancelShape = only.with(shape{"cancellation_reason": oneOf("abandoned", "duplicate", "fraudulent",
		"requested_by_customer")})
	fundShape   = only.with(shape{"amount": anInteger.must(), "currency": aText.must(), "reference": aText})
	refundShape = only.with(shape{
		"amount": anInteger, "charge": aText, "currency": aText, "customer": aText, "instructions_email": aText,
		"metadata": aHash, "origin": aText,
		"payment_intent": aText,
		"reason":         oneOf("duplicate", "fraudulent", "requested_by_customer"), "refund_application_fee": aBoolean,
		"reverse_transfer": aBoolean,
	})
)

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, ep := range endpoints() {
		mux.Handle(ep.pattern, s.answering(ep))
	}
	mux.HandleFunc("GET "+pagePath+"{token}", s.showPage)
	mux.HandleFunc("POST "+pagePath+"{token}", s.leavePage)
	for _, path := range scriptPaths {
		mux.HandleFunc("GET "+path, serveStripeJS)
	}
	mux.HandleFunc("OPTIONS /", allowOrigins)
	mux.Handle("/", s.answering(endpoint{pattern: "unknown", shape: nil, publishable: true}))
	return mux
}

// listHooks handles GET /v1/webhook_endpoints. As at Stripe, the list shows no secrets, and no
// destination of thin events.
func (a *account) listHooks(c *call) (any, error) {
	var out []*hook
	for _, h := range a.hooks {
		if !h.Thin {
			out = append(out, h)
		}
	}
	return pageOf(c, out)
}

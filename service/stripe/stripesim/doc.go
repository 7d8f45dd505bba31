// Package stripesim is a stateful Stripe over HTTP, for development and tests: the part of the API
// that sells a shop's order. stripe-go and Stripe's own CLI work against it unchanged.
//
// # Design
//
// An answer and the events it causes are rendered from the same state under the same lock. Every
// PaymentIntent that a client sees is the result of a sequence of Stripe's documented transitions.
// Faults lose, delay and repeat messages; they do not change the state. The exceptions are Force
// and SendEvent, whose comments state it.
//
// The package imports the standard library only, and nothing of the service it tests, so that a
// misreading of Stripe in the service is not repeated here. Its tests compare it with Stripe's
// published schema, Stripe's SDK, Stripe's CLI, and the TypeScript declarations of Stripe's newest
// API version.
//
// # Files
//
//   - http.go and call.go handle a request; routes.go lists the endpoints.
//   - Each endpoint is in the file of its object. attempts.go has the lifecycle of a payment,
//     vouchers.go, transfers.go and microdeposits.go the payments that a customer makes elsewhere.
//   - test_methods.go has the payment methods that select a behaviour, families.go the types of
//     payment methods.
//   - events.go, event_faults.go and deliveries.go make and send events, thin_events.go the thin
//     ones.
//   - versions.go and latest.go render API versions.
//   - control*.go, event_plans.go and faults.go have the functions for tests, and the control routes
//     over HTTP. activity.go shows what happened.
//
// These are not Stripe's: the bank pages under /authorize; Stripe.js under /v3/ and
// /endive/stripe.js, a stand-in with the functions that a page with a Payment Element uses; and the
// endpoints under /v1/elements, which stand for what Stripe.js does with the client secret of a
// CustomerSession.
//
// # API versions
//
// Events are rendered in the version of the account (Options.APIVersion) or of the endpoint
// (Webhook.APIVersion). Answers are 2024-06-20, or 2026-10-28.endive if the request's
// Stripe-Version is that or newer.
//
//   - 2024-06-20: compared with the schema of 2024-09-30, the nearest that is published.
//   - 2026-10-28.endive: compared with the types of npm's stripe 23.1.0 (test/stripe-types). A
//     PaymentIntent has no invoice, a charge no destination, dispute, invoice or order; refunds
//     name the customer and the payment method.
//   - Versions between are rendered as 2024-06-20.
//   - Before 2022-11-15, events show a payment's charges in a list. Before 2019-02-11,
//     requires_payment_method and requires_action are requires_source and requires_source_action.
//     Such versions have no other difference here.
//   - refund.failed is sent if a version in use is 2024-10-28 or newer.
//
// # Not verified
//
// No public source documents Stripe's behaviour in these points. The simulator does the following.
//
//   - Appeals: a lost dispute becomes appeal_needs_response, then appeal_under_review, each with
//     charge.dispute.updated, and is won or lost again with charge.dispute.closed.
//   - Prevented disputes: charge.dispute.created with the status prevented; a resolution refunds
//     the charge. An open dispute that is prevented sends charge.dispute.closed and returns its
//     money.
//   - Vouchers: no charge exists until the customer has paid. Expiry is
//     payment_intent.payment_failed with the code payment_intent_payment_attempt_expired, without
//     a charge.
//   - Reviews: a full refund or a dispute closes an open review; a partial refund does not. The
//     payment keeps its id.
//   - Context: events carry none unless Server.SetEventOrigin sets it. Whether Stripe sends the
//     own account is unknown.
//   - Stripe.js: handleNextAction and confirmPayment show the details of a voucher, a transfer or
//     microdeposits over the page. That of Stripe is documented for vouchers.
//   - Thin events: the form of their ids, and that a call by Stripe itself has no reason.
//   - Failure codes: a failed authentication is payment_intent_authentication_failure in every API
//     version, unless a test asks for authentication_failure.
//   - Amounts: invalid_charge_amount_no_decimal_compatible is documented for ISK, and used for UGX
//     and three-decimal currencies too; the SDK's types do not have it. A PaymentIntent takes
//     eight digits, by its reference, but more in IDR, COP and INR; the currencies page
//     allows 12 digits for most cards. Minimums of a settlement currency are not converted, and a
//     capture has none.
//   - CustomerSession: save_usage without save is accepted; the other way round is refused.
//   - An expansion that a restricted key may not make: the status 403 is Stripe's, the message is
//     not.
//   - A refund in an unknown status counts as given back until it fails.
//   - Where Stripe's words are not public, code and type of an error are Stripe's and the message
//     is not.
//
// # Not imitated
//
//   - Connect, SetupIntents, ConfirmationTokens, mandates, balance transactions, payouts and fees.
//   - Radar's rules: a review opens for pm_card_riskLevelElevated or on demand.
//   - Incremental authorisation, multicapture, and the limits of single card brands.
//   - Rate limits, unless a fault asks for one.
//   - The delay of Stripe's search index, and OR in its queries.
//   - The websocket behind `stripe listen`.
//   - The hours and days of Stripe's retries, which begin at a quarter of a second here.
//   - The permissions of restricted keys, unless a test denies an expansion.
//   - The /v2 endpoints: a thin event's snapshot is read from /v1/events.
package stripesim

// Package kasse is a client of Kasse for backends in Go.
//
//	client, err := kasse.New("https://pay.shop.internal", os.Getenv("KASSE_KEY"), kasse.Options{})
//	token, err := client.MintOrderToken(ctx, kasse.PaymentCreate{OrderID: "shop-1", Amount: 4200, Currency: "eur"})
//
// A call is retried after a network error and after a retryable answer, with the pause given by
// Retry-After. Retries are safe: Kasse identifies a payment by its order, and a refund by its
// idempotency key.
//
// [Client.Follow] yields the states of one payment, [Client.Feed] the events of all orders, and
// [Client.Orders] the orders of a customer, a state or an age. [Verifier] checks events that Kasse
// pushes.
//
// # Units
//
// Amounts are in Stripe's minor unit of the currency: 4200 is 42.00 EUR, or 4200 JPY. Times are in
// UTC, with whole seconds.
//
// # Errors
//
// A refusal by Kasse is an [*Error]; [errors.Is] compares it with a code:
//
//	if errors.Is(err, kasse.ProblemCodeOrderAlreadyPaid) { … }
//
// Each method lists the codes that a backend should handle. Every call may also fail with
// ProblemCodeInvalidRequest (a member or an id is malformed), ProblemCodeUnauthenticated,
// ProblemCodeInsufficientScope, ProblemCodeNotFound (also for what the credential may not see), or
// after its retries with ProblemCodeRateLimited, ProblemCodeIdempotencyInProgress, a code of Stripe
// (such as ProblemCodeStripeUnavailable), ProblemCodeStoreUnavailable, or a network error.
//
// The types are generated from openapi.yaml. Later versions may add members, states, event types and
// codes: ignore unknown ones.
package kasse

//go:generate go -C ../../test/clients tool oapi-codegen -config ../../clients/go/oapi-codegen.yaml ../../openapi.yaml

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
// [Client.Orders] the orders of a customer, a state or an age.
// [Verifier] checks events that Kasse pushes. A refusal by Kasse is an [*Error]; [errors.Is]
// compares it with a code:
//
//	if errors.Is(err, kasse.ProblemCodeOrderAlreadyPaid) { … }
//
// The types are generated from openapi.yaml. New members, states, event types and codes may be
// added: ignore unknown ones.
package kasse

//go:generate go -C ../../test/clients tool oapi-codegen -config ../../clients/go/oapi-codegen.yaml ../../openapi.yaml

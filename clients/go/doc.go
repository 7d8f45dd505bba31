// Package kasse is a client of Kasse for backends in Go.
//
//	client, err := kasse.New("https://pay.shop.internal", os.Getenv("KASSE_KEY"), kasse.Options{})
//	token, err := client.MintOrderToken(ctx, kasse.PaymentCreate{OrderID: "shop-1", Amount: 4200, Currency: "eur"})
//
// Every call that Kasse or the network fails is tried again, with the pause that Retry-After asks for. That is safe:
// Kasse identifies a payment by its order, and a refund by its idempotency key.
//
// [Client.Follow] yields the states of one payment, and [Client.Feed] the events of all orders. [Verifier] checks events
// that Kasse pushes. An error of Kasse is an [*Error]; [errors.Is] compares it with a code:
//
//	if errors.Is(err, kasse.ProblemCodeOrderAlreadyPaid) { … }
//
// The types come from openapi.yaml. Members, states, event types and codes may be added: ignore what you do not know.
package kasse

//go:generate go -C ../../test/clients tool oapi-codegen -config ../../clients/go/oapi-codegen.yaml ../../openapi.yaml

// Package stripesim is a stateful Stripe over HTTP, for development and tests: the part of API version 2024-06-20 that sells a shop's order. stripe-go and
// Stripe's own CLI work against it unchanged.
//
// One invariant: an answer and the events it causes are rendered from the same state under the same lock, so nobody ever sees a PaymentIntent that no sequence
// of Stripe's documented transitions could have produced. Faults lose, delay and repeat messages; they never bend the state.
//
// The decision behind it: the simulator knows nothing of the service it tests. It imports the standard library only, and is held against Stripe's published
// schema, Stripe's SDK and Stripe's CLI instead, so that a misreading of Stripe in the service cannot be repeated here and pass.
//
// A request's way is in http.go and call.go; what an endpoint does is in the file of its noun; attempts.go has the lifecycle of a payment, and magic.go the
// payment methods that steer it. Events go through events.go, mischief.go and deliveries.go. What tests do to it is in drills.go and faults.go, and over HTTP
// in levers.go.
//
// Its own are the bank pages under /authorize; Stripe.js under /v3/, a stand-in with the part of the surface that a page with a Payment Element uses; and the
// endpoints under /v1/elements, which stand for what Stripe.js does with the client secret of a CustomerSession.
//
// What it does not imitate: Connect, SetupIntents, ConfirmationTokens, mandates, Radar, balance transactions, payouts and fees; incremental authorisation and
// multicapture; renderings for other versions than 2024-06-20 (Options.APIVersion changes what events call themselves, and before 2022-11-15 also where they
// show a payment's charges); rate limits, unless a fault asks for one; the delay of Stripe's search index, and OR in its queries; the websocket behind `stripe
// listen`; the days and hours of Stripe's retries, which begin at a quarter of a second here; and the permissions of restricted keys. Where Stripe's words are
// not public, the code and type of an error are Stripe's and its message is ours.
package stripesim

// Package stripesim is a stateful Stripe over HTTP, for development and tests: API version 2024-06-20, the part of it that sells a shop's order. stripe-go and
// Stripe's own CLI work against it unchanged.
//
// One invariant: an answer and the events it causes are rendered from the same state under the same lock, so no client ever sees a PaymentIntent that no
// sequence of Stripe's documented transitions could have produced. Faults lose, delay and repeat messages; they never bend the state.
//
// The decision behind it: the simulator knows nothing of the service it tests. It imports the standard library only, and is checked against Stripe's published
// schema, Stripe's SDK and Stripe's CLI instead, so that a misreading of Stripe in the service cannot be repeated here and pass.
//
// What it does not imitate: Connect, SetupIntents, ConfirmationTokens, mandates, Radar, balance transactions, payouts and fees; incremental authorisation and
// multicapture; other renderings than 2024-06-20 (Options.APIVersion changes what events call themselves, and for versions before 2022-11-15 puts a payment's
// charges where they were then); rate limits, unless a fault asks for one; the delay of Stripe's search index; the websocket behind `stripe listen`; and
// Stripe.js, of which only the calls that confirm and look up a payment exist. Where Stripe's texts are not public, the code and type of an error are Stripe's
// and its message is ours.
package stripesim

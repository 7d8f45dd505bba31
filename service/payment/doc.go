// Package payment has the rules of orders and payments. It is pure: it uses no context, no network, no clock, no
// randomness, and no other package of Kasse.
//
// Words:
//
//   - An Order is what the shop sells, with all its payments. It is loaded, changed and saved as a whole.
//   - A Payment is one PaymentIntent. An Attempt is its number and row within the order.
//   - A failed attempt is one card or bank that was tried on a PaymentIntent and declined.
//   - A Fact is one thing that happened: an event of Stripe, an answer of Stripe, a call of a backend or a page.
//   - A Record is the merged set of facts about one payment. Resolve picks the Snapshot that it stands for.
//   - A View is what callers see of a payment. Its status is Stripe's word, its state is the order's.
//
// One invariant: a Record is a function of the set of facts, never of the order in which they arrive. So webhooks may
// come twice, late and in any order.
//
// Order.Apply is the only way to change an order. It computes everything that follows from a fact in one pass: the
// winner, superseded and closed payments, holds, views, events, and calls of Stripe that are due. NextStep decides what
// a create does next.
//
// The stored_*.go, coder*.go and words.go files write an order as bytes, and read it.
package payment

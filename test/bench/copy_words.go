package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"

	"kasse/service/payment"
)

// names are the ids of the n-th copy.
type names struct {
	order    payment.OrderID
	payment  payment.ID // the order's current one
	secret   string     // client secret of the payment
	customer payment.CustomerID
}

func (n names) String() string { return string(n.order) + " " + string(n.payment) }

// ordersOfCustomer is how many copies belong to one customer.
const ordersOfCustomer = 3

var shortCode = base32.StdEncoding.WithPadding(base32.NoPadding)

// orderName returns the id of the n-th copy's order. The product with an odd number is different for each n.
func orderName(n int) payment.OrderID {
	const odd, bits = 0x9e3779b97f4a7c15, 40
	mixed := uint64(n) * odd & (1<<bits - 1)
	raw := []byte{byte(mixed >> 32), byte(mixed >> 24), byte(mixed >> 16), byte(mixed >> 8), byte(mixed)}
	return payment.OrderID(shortCode.EncodeToString(raw))
}

// nameOf returns the ids of the n-th copy: as long and as random as Stripe's, and the same in each run.
func nameOf(n int) names {
	draw := rand.New(rand.NewPCG(uint64(n), 1))
	id := drawID(draw, "pi")
	return names{
		order: orderName(n), payment: payment.ID(id), secret: id + "_secret_" + drawID(draw, ""),
		customer: payment.CustomerID("cus_" + drawID(rand.New(rand.NewPCG(uint64(n/ordersOfCustomer), 2)), "")[2:16]),
	}
}

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// drawID draws an id as long as Stripe's: 24 letters and digits after the prefix.
func drawID(draw *rand.Rand, prefix string) string {
	id := append(make([]byte, 0, len(prefix)+25), prefix...)
	id = append(id, "_3"...)
	for range 23 {
		id = append(id, letters[draw.IntN(len(letters))])
	}
	return string(id)
}

// draw returns the copy's word of this kind.
func (k wordKind) draw(name names, draw *rand.Rand) string {
	switch k {
	case ownOrder:
		return string(name.order)
	case ownPayment:
		return string(name.payment)
	case ownCustomer:
		return string(name.customer)
	case ownHash:
		sum := sha256.Sum256([]byte(name.secret))
		return hex.EncodeToString(sum[:])
	case anyHash:
		sum := sha256.Sum256([]byte(drawID(draw, "")))
		return hex.EncodeToString(sum[:])
	}
	return drawID(draw, string(k))
}

// shifted returns a version or a time, shifted by the duration.
func shifted(text string, later time.Duration) string {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Add(later).UTC().Format(time.RFC3339)
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return strconv.FormatInt(n+later.Milliseconds(), 10)
}

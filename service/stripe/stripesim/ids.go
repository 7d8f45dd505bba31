package stripesim

import (
	"math/rand/v2"
	"strings"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// minter makes ids in Stripe's form. The nth id of a seed is always the same.
type minter struct{ random *rand.Rand }

func newMinter(seed uint64) *minter {
	return &minter{rand.New(rand.NewPCG(seed, 0x6b61737365))} //nolint:gosec // ids replay from a seed
}

func (m *minter) letters(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(base62[m.random.IntN(len(base62))])
	}
	return b.String()
}

// digits is the shape of voucher numbers and references.
func (m *minter) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(base62[m.random.IntN(10)])
	}
	return b.String()
}

// long is the shape of what belongs to a payment: pi_3…, ch_3…, evt_3…, 24 letters.
func (m *minter) long(prefix string) string { return prefix + "_3" + m.letters(23) }

// short is the shape of customers and requests: cus_…, req_…, 14 letters.
func (m *minter) short(prefix string) string { return prefix + "_" + m.letters(14) }

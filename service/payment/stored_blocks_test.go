package payment

import (
	"slices"
	"strconv"
	"testing"
)

// busyOrder returns an order with this many attempts. The last one is current.
func busyOrder(attempts int) Order {
	o := Order{ID: "order-1", Terms: price, Loaded: map[ID]*Payment{}}
	for n := 1; n <= attempts; n++ {
		o.Attempts = append(o.Attempts, Attempt{
			Number: n, Payment: ID("pi_" + strconv.Itoa(n)), Terms: price, State: CanceledState,
			Superseded: n < attempts, Version: int64(n),
		})
	}
	return o
}

// readAgain returns the order as it is decoded from its stored form and its blocks.
func readAgain(t *testing.T, o Order) Order {
	t.Helper()
	blocks, _ := o.NextBlocks()
	read := Order{ID: o.ID}
	for _, b := range blocks {
		read.Blocks = append(read.Blocks, Block{Stored: b.Stored})
	}
	if err := read.DecodeOrder(o.AppendOrder(nil)); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestBlocks: an order keeps its attempts in blocks. Blocks without a change are not written again.
func TestBlocks(t *testing.T) {
	for _, attempts := range []int{0, 1, blockRows - 1, blockRows, blockRows + 1, 2 * blockRows, 2*blockRows + 1, 200} {
		o := busyOrder(attempts)
		read := readAgain(t, o)
		if !slices.Equal(read.Attempts, o.Attempts) {
			t.Errorf("%d attempts: %+v, want %+v", attempts, read.Attempts, o.Attempts)
		}
		if _, changed := read.NextBlocks(); changed != nil {
			t.Errorf("%d attempts: blocks %v are written again without a change", attempts, changed)
		}
	}
}

// TestChangedBlock: a save writes the block of the row that has changed, and a new one.
func TestChangedBlock(t *testing.T) {
	read := readAgain(t, busyOrder(3*blockRows))
	next := read.clone()
	next.Attempts[1].Failures = 7
	next.Attempts = append(next.Attempts, Attempt{Number: 3*blockRows + 1})
	if _, changed := next.NextBlocks(); !slices.Equal(changed, []int{0, 2}) {
		t.Errorf("blocks %v are written, want 0 and 2", changed)
	}
	if again := readAgain(t, next); !slices.Equal(again.Attempts, next.Attempts) {
		t.Errorf("%+v, want %+v", again.Attempts, next.Attempts)
	}
}

// TestBlocksMissing: an order is not decoded without its blocks, since the payments of its earlier attempts would count
// as unknown.
func TestBlocksMissing(t *testing.T) {
	o := busyOrder(3*blockRows + 1)
	blocks, _ := o.NextBlocks()
	for given := range blocks {
		read := Order{ID: o.ID, Blocks: slices.Clone(blocks[:given])}
		if needed := BlocksMissing(read.DecodeOrder(o.AppendOrder(nil))); needed != 3 {
			t.Errorf("%d blocks given: %d are needed, want 3", given, needed)
		}
	}
	cut := slices.Clone(blocks)
	cut[1].Stored = cut[1].Stored[:len(cut[1].Stored)-2]
	read := Order{ID: o.ID, Blocks: cut}
	if err := read.DecodeOrder(o.AppendOrder(nil)); err == nil || BlocksMissing(err) > 0 {
		t.Errorf("a block that is cut off: %v", err)
	}
}

// TestForeignHasNoBlocks: a foreign payment has one row, with any number that it claims.
func TestForeignHasNoBlocks(t *testing.T) {
	o := Order{ID: "order-1", Foreign: "pi_9", Attempts: []Attempt{{Number: 99, Payment: "pi_9"}}}
	read := Order{ID: o.ID, Foreign: o.Foreign}
	if err := read.DecodeOrder(o.AppendOrder(nil)); err != nil || len(read.Attempts) != 1 {
		t.Errorf("got attempts %+v, %v", read.Attempts, err)
	}
}

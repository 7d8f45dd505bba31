package payment

import (
	"errors"
	"fmt"
	"slices"
)

// An order with many attempts is stored in parts, so that a save writes what it changes: the order has the rows of the
// newest attempts, and each block before them has the rows of blockRows attempts. A change of one row writes its
// block, and the order because of its revision.

// blockRows is how many attempts a block has. The order has as many at most.
const blockRows = 4

// Block has the rows of blockRows earlier attempts.
type Block struct {
	Stored []byte    // as Redis has it; the store's
	rows   []Attempt // as they were decoded or encoded
}

// mostBlocks bounds how many blocks a reader asks for, should a row be corrupt.
const mostBlocks = 4096

// blocksMissing is the error of an order that was decoded without all blocks of its earlier attempts.
type blocksMissing struct{ needed, given int }

func (e blocksMissing) Error() string {
	return fmt.Sprintf("the order has %d blocks of earlier attempts, but only %d were found", e.needed, e.given)
}

// BlocksMissing returns the order's number of blocks if DecodeOrder failed because it got fewer; else 0.
func BlocksMissing(err error) int {
	var missing blocksMissing
	if !errors.As(err, &missing) || missing.needed > mostBlocks {
		return 0
	}
	return missing.needed
}

// blocksNeeded returns how many blocks lie before the rows that the order has. A foreign payment has one row, and none.
func (o *Order) blocksNeeded() int {
	if o.Foreign != "" || len(o.Attempts) == 0 {
		return 0
	}
	return (len(o.Attempts) - 1) / blockRows
}

// codeRows codes the rows of the newest attempts. The first of them has the number of blocks before it.
func (o *Order) codeRows(c *coder, tag int) {
	first := o.blocksNeeded() * blockRows
	own := o.Attempts[first:]
	list(c, tag, &own, (*Attempt).code)
	if !c.reading {
		return
	}
	o.Attempts = own
	if len(own) == 0 || o.Foreign != "" {
		return
	}
	if err := o.prependBlocks((own[0].Number - 1) / blockRows); err != nil {
		c.fail(err)
	}
}

// prependBlocks puts the rows of the blocks before those that the order has.
func (o *Order) prependBlocks(count int) error {
	if count <= 0 {
		return nil
	}
	if len(o.Blocks) < count {
		return blocksMissing{count, len(o.Blocks)}
	}
	// All rows lie in one array, and the order has a copy of them: 50 blocks by themselves took 500 allocations.
	rows, seen := make([]Attempt, count*blockRows), o.coder().words.seen
	for i := range o.Blocks[:count] {
		b := &o.Blocks[i]
		b.rows = rows[i*blockRows : i*blockRows : (i+1)*blockRows]
		if err := b.decode(seen); err != nil {
			return fmt.Errorf("block %d of the attempts: %w", i, err)
		}
		if first := b.rows[0].Number; first != i*blockRows+1 {
			return fmt.Errorf("block %d of the attempts begins with attempt %d", i, first)
		}
	}
	o.Blocks, o.Attempts = o.Blocks[:count], slices.Concat(rows, o.Attempts)
	return nil
}

// decode decodes the block's rows; seen has the words of the order's key.
func (b *Block) decode(seen []string) error {
	c := coder{reading: true, buf: b.Stored, words: words{seen: seen}}
	list(&c, 1, &b.rows, (*Attempt).code)
	c.close(new(Added))
	if err := c.finish(); err != nil {
		return err
	}
	if len(b.rows) != blockRows {
		return fmt.Errorf("it has %d rows", len(b.rows))
	}
	return nil
}

// NextBlocks returns the order's blocks to be stored, and which of them have changed.
func (o *Order) NextBlocks() (blocks []Block, changed []int) {
	count := o.blocksNeeded()
	if count == 0 {
		return nil, nil
	}
	blocks = make([]Block, count)
	for i := range blocks {
		rows := o.Attempts[i*blockRows : (i+1)*blockRows]
		if i < len(o.Blocks) && slices.Equal(o.Blocks[i].rows, rows) {
			blocks[i] = o.Blocks[i]
			continue
		}
		blocks[i] = Block{Stored: o.appendBlock(nil, rows), rows: slices.Clone(rows)}
		changed = append(changed, i)
	}
	return blocks, changed
}

func (o *Order) appendBlock(b []byte, rows []Attempt) []byte {
	c := o.coder()
	c.buf = b
	list(&c, 1, &rows, (*Attempt).code)
	return append(c.buf, 0)
}

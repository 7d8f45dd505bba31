package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"math"

	"kasse/service/payment"
)

// maxPartitions keeps a cursor, which contains a position of each partition, below the contract's 1,024
// characters.
const maxPartitions = 64

// The epoch is a random name of one life of a partition. A Redis's epoch is derived from those of all
// partitions: if one was lost, earlier cursors are invalid. The letters are those of rand.Text, which base32
// also has.
const (
	epochLength  = 8
	epochLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// cursor is a place in the feed: a position in each partition, of one life of this Redis.
type cursor struct {
	epoch string // empty at the beginning and at the end, which are valid in every life
	after []position
}

// String returns the cursor in the callers' form: base64url of the epoch, and of each position's milliseconds
// and number.
func (c cursor) String() string {
	raw := []byte(c.epoch)
	for _, p := range c.after {
		raw = binary.AppendUvarint(raw, uint64(p.ms))  //nolint:gosec // never negative
		raw = binary.AppendUvarint(raw, uint64(p.seq)) //nolint:gosec // never negative
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseCursor parses a caller's cursor. The number of positions may be that of an earlier life. Each cursor
// has exactly one text; any other text is invalid.
func parseCursor(text string) (cursor, bool) {
	if text == "" || text == payment.Latest {
		return cursor{}, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) <= epochLength || len(bytes.Trim(raw[:epochLength], epochLetters)) > 0 {
		return cursor{}, false
	}
	c := cursor{epoch: string(raw[:epochLength])}
	for raw = raw[epochLength:]; len(raw) > 0; {
		var fields [2]int64
		for i := range fields {
			value, size := binary.Uvarint(raw)
			if size <= 0 || value > math.MaxInt64 {
				return cursor{}, false
			}
			fields[i], raw = int64(value), raw[size:]
		}
		c.after = append(c.after, position{fields[0], fields[1]})
	}
	return c, len(c.after) <= maxPartitions && c.String() == text
}

// position returns the one in a partition, zero at the beginning.
func (c cursor) position(partition int) position {
	if partition < len(c.after) {
		return c.after[partition]
	}
	return position{}
}

// expired reports whether the cursor is of another life, or whether an entry after it has been
// dropped. A position of zero is before everything, and never expires.
func (c cursor) expired(parts []partitionPage) bool {
	if c.epoch == "" {
		return false
	}
	if c.epoch != epochOf(parts) || len(c.after) != len(parts) {
		return true
	}
	for n, part := range parts {
		if c.after[n] != (position{}) && c.after[n].compare(part.dropped) < 0 {
			return true
		}
	}
	return false
}

// epochOf returns the epoch of all partitions together.
func epochOf(parts []partitionPage) string {
	var all []byte
	for _, part := range parts {
		all = append(append(all, part.epoch...), ' ')
	}
	sum := sha256.Sum256(all)
	return base32.StdEncoding.EncodeToString(sum[:])[:epochLength]
}

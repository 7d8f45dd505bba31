package store

import (
	"encoding/base64"
	"encoding/binary"

	"kasse/service"
)

// maxPartitions keeps a cursor, which holds a position in each partition, under the contract's 1,024 characters.
const maxPartitions = 64

// cursor is a place in the feed: a position in each partition, of one life of this Redis.
type cursor struct {
	epoch string
	after []position
}

// String gives the cursor as callers hold it: base64url of the epoch, and of each position its milliseconds and number.
func (c cursor) String() string {
	raw := append([]byte{byte(len(c.epoch))}, c.epoch...)
	for _, p := range c.after {
		raw = binary.AppendUvarint(raw, uint64(p.ms))  //nolint:gosec // never negative
		raw = binary.AppendUvarint(raw, uint64(p.seq)) //nolint:gosec // never negative
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// parseCursor reads what a caller holds. Neither the beginning nor the end belongs to an epoch.
func (s *Store) parseCursor(text string) (cursor, bool) {
	c := cursor{after: make([]position, s.Partitions)}
	if text == "" || text == service.Latest {
		return c, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 || len(raw) < 1+int(raw[0]) {
		return c, false
	}
	c.epoch, raw = string(raw[1:1+raw[0]]), raw[1+raw[0]:]
	if c.epoch == "" {
		return c, false
	}
	for n := range c.after {
		for _, field := range []*int64{&c.after[n].ms, &c.after[n].seq} {
			value, size := binary.Uvarint(raw)
			if size <= 0 || value > 1<<62 {
				return c, false
			}
			*field, raw = int64(value), raw[size:]
		}
	}
	return c, len(raw) == 0
}

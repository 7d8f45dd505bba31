package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"kasse/service/payment"
)

var pruneIndexScript = script("prune_index")

// listed is an entry of an index.
type listed struct {
	created int64 // Unix milliseconds
	order   payment.OrderID
}

// newestFirst orders entries as pages do.
func newestFirst(a, b listed) int {
	return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.order, a.order))
}

// stampLength is how long the moment is that the members of the index by customer begin with.
const stampLength = 8

// member is the entry in the index by customer: the orders of one customer then sort by creation.
func (l listed) member() string {
	stamp := strconv.FormatInt(l.created, 36)
	return strings.Repeat("0", max(stampLength-len(stamp), 0)) + stamp + string(l.order)
}

// moveListing is how save_order.lua changes the indexes: each change as index, command, score and member.
func moveListing(o payment.Order, c payment.Changes) (moves []any) {
	if c.Unlist == c.List {
		return nil
	}
	for _, move := range []struct {
		command string
		place   payment.Listing
	}{{"ZREM", c.Unlist}, {"ZADD", c.List}} {
		entry := listed{move.place.Created, o.ID}
		if entry.created > 0 {
			moves = append(moves, "created", move.command, entry.created, string(o.ID))
		}
		if move.place.Customer > 0 {
			moves = append(moves, "customer", move.command, move.place.Customer, entry.member())
		}
	}
	return moves
}

// cursor returns the entry in the callers' form: base64url of its time and order.
func (l listed) cursor() string {
	raw := binary.AppendUvarint(nil, uint64(l.created)) //nolint:gosec // never negative
	return base64.RawURLEncoding.EncodeToString(append(raw, l.order...))
}

// parseOrderCursor parses a caller's cursor. Each cursor has exactly one text; any other text is invalid.
func parseOrderCursor(text string) (listed, bool) {
	if text == "" {
		return listed{}, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	created, size := binary.Uvarint(raw)
	if err != nil || size <= 0 || created > math.MaxInt64 {
		return listed{}, false
	}
	l := listed{int64(created), payment.OrderID(raw[size:])}
	return l, l.order.Valid() && l.cursor() == text
}

// PruneIndex removes the entries of expired orders from the indexes of all partitions, and returns the number
// of orders. It examines 128 entries at a time.
func (s *Store) PruneIndex(ctx context.Context) (gone int, err error) {
	for _, part := range s.partitions() {
		orders, err := s.pruneIndex(ctx, part, part.byCreation(), 0)
		gone += orders
		if err == nil {
			_, err = s.pruneIndex(ctx, part, part.byCustomer(), stampLength)
		}
		if err != nil {
			return gone, err
		}
	}
	return gone, nil
}

func (s *Store) pruneIndex(ctx context.Context, part partition, index string, stamp int) (gone int, err error) {
	start, rank := "-inf", int64(0)
	for {
		keys := []string{index, s.meta(part)}
		reply, err := pruneIndexScript.Run(ctx, s.redis, keys, start, rank, part.order(""), stamp).Slice()
		if err != nil {
			return gone, unavailable(err)
		}
		count, _ := reply[2].(int64)
		gone += int(count)
		next, more := reply[0].(string)
		if !more {
			return gone, nil
		}
		start = next
		rank, _ = reply[1].(int64)
	}
}

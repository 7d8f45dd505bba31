package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

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

// stampLength is the length of the time at the beginning of each member of the index by customer.
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

// Orders that have expired leave the index within pruneEvery and prunePass, which is less than 12 hours.
const (
	pruneEvery = 6 * time.Hour          // from the beginning of a pass to that of the next
	prunePass  = 5 * time.Hour          // that a pass may take
	prunePause = 100 * time.Millisecond // between two steps, at least
)

// PruneIndex takes one step of the pass that removes expired orders from the indexes, in each partition. A step
// examines 128 entries at most. All processes make the same pass, and the steps are spread over hours.
func (s *Store) PruneIndex(ctx context.Context) (step payment.PruneStep, err error) {
	calls := make([]scriptCall, s.Partitions)
	for n, part := range s.partitions() {
		calls[n] = scriptCall{
			[]string{part.byCreation(), part.byCustomer(), s.meta(part), part.prune()},
			[]any{pruneEvery.Milliseconds(), prunePass.Milliseconds(), part.order(""), stampLength},
		}
	}
	step.Wait = pruneEvery
	for _, result := range s.runScripts(ctx, pruneIndexScript, calls) {
		reply, failed := result.Int64Slice()
		if failed != nil || len(reply) < 3 {
			err = unavailable(cmp.Or(failed, errReplyFormat))
			continue
		}
		left, rest := int(reply[1]), time.Duration(reply[2])*time.Millisecond
		step.Gone, step.Left = step.Gone+int(reply[0]), step.Left+left
		step.Wait = max(min(step.Wait, rest/time.Duration(max(left, 1))), prunePause)
	}
	return step, err
}

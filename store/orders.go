package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
)

var (
	loadOrderScript   = script("load_order")
	saveOrderScript   = script("save_order")
	savePointerScript = script("save_pointer")
)

// LoadOrder returns the order with its current payment and the requested payments, those that it has, and
// Redis's clock. An order that was never stored has no revision. An unreadable record is an error, not
// absent, since a later write would overwrite it. A partition without our mark is an error, too, since a
// wiped Redis does not know which orders exist.
func (s *Store) LoadOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time, error) {
	part, key := s.orderKey(ref)
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = recordField(id)
	}
	answer, err := s.run(ctx, loadOrderScript, part, []string{key, s.meta(part)}, args...)
	if err != nil {
		return payment.Order{}, time.Time{}, err
	}
	reply, ok := answer.([]any)
	if !ok || len(reply) < loadedHead+len(ids) {
		return payment.Order{}, time.Time{}, corrupt(key, errReplyFormat)
	}
	now := clock(reply[0], reply[1])
	o, err := decodeOrder(ref, reply[2], ids, reply[loadedHead:])
	if err != nil {
		return payment.Order{}, now, corrupt(key, err)
	}
	return o, now, nil
}

// loadedHead is how many values a load returns before the records and the blocks.
const loadedHead = 3

var errReplyFormat = errors.New("unexpected reply format")

// SaveOrder writes the order and everything that follows from the change, in one script. After a conflict it
// writes nothing, and returns payment.ErrConflict with the current order.
func (s *Store) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	w := encode(o)
	if w.same && len(c.Events) == 0 {
		return payment.Saved{Order: o, Now: c.Now}, nil
	}
	part, key := s.orderKey(o.Ref())
	w.saved.Revision = nextRevision(o.Revision)
	keys := []string{
		key, s.meta(part), part.events(), part.reads(), part.sweep(), part.attention(), part.byCreation(),
		part.byCustomer(),
	}
	answer, err := s.run(ctx, saveOrderScript, part, keys, s.saveArgs(ctx, o, w, c, ids)...)
	if len(c.Views) > 0 {
		s.forgetView(key) // also where the reply was lost
	}
	if err != nil {
		return payment.Saved{}, err
	}
	reply, ok := answer.([]any)
	if !ok || len(reply) < 3 {
		return payment.Saved{}, corrupt(key, errReplyFormat)
	}
	now := clock(reply[1], reply[2])
	if reply[0] == "saved" {
		return payment.Saved{Order: w.saved, Now: now, Written: true}, nil
	}
	if len(reply) < 1+loadedHead+len(ids) {
		return payment.Saved{}, corrupt(key, errReplyFormat)
	}
	latest, err := decodeOrder(o.Ref(), reply[3], ids, reply[1+loadedHead:])
	if err != nil {
		return payment.Saved{}, corrupt(key, err)
	}
	return payment.Saved{Order: latest, Now: now}, payment.ErrConflict
}

// keep leaves a setting of the order unchanged.
const keep = "keep"

// saveOrderArgs are the arguments of save_order.lua before its lists, by name.
type saveOrderArgs struct {
	loaded, next  string // revisions, each with a line feed; loaded is empty for an order that is not stored
	order         payment.OrderID
	channel, hint string // the hint names the order and the payments whose view has changed
	expires       string // milliseconds until the order may expire; empty: never; or keep
	oldest        string // stream id, below which the stream is trimmed
	attention     string // Unix milliseconds at which a worker looks at the order; empty: never; or keep
	until         string // Unix milliseconds until which the change may be written; empty: always
}

// list returns the arguments in the order in which the script reads them.
func (a saveOrderArgs) list() []any {
	args := make([]any, 0, 64)
	return append(
		args, a.loaded, a.next, string(a.order), a.channel, a.hint, a.expires, a.oldest, a.attention, a.until,
	)
}

// saveArgs are the arguments of save_order.lua.
func (s *Store) saveArgs(ctx context.Context, o payment.Order, w written, c payment.Changes, ids []payment.ID) []any {
	part, _ := s.orderKey(o.Ref())
	named := saveOrderArgs{
		loaded: o.Revision, next: w.saved.Revision + "\n", order: o.ID, channel: part.changed(),
		hint: hint(o.ID, c.Views), expires: milliseconds(c.Expires), oldest: s.oldest(c.Now),
		attention: due(c.Attention),
	}
	if o.Foreign != "" || c.NoAttention { // a foreign payment does not know its order's state
		named.attention = keep
	}
	if c.NoExpiry {
		named.expires = keep
	}
	if named.loaded != "" {
		named.loaded += "\n"
	}
	if c.Within > 0 {
		named.until = due(c.Now.Add(c.Within))
	}
	args := append(named.list(), len(ids))
	for _, id := range ids {
		args = append(args, recordField(id))
	}
	args = append(args, 2+len(w.set), orderField, append([]byte(named.next), w.body...))
	args = append(append(args, w.set...), len(w.remove))
	args = append(args, w.remove...)
	for _, queue := range [][]payment.Due{c.Reads, c.Sweeps} {
		args = append(args, 2*len(queue))
		for _, d := range queue {
			args = append(args, string(d.Payment), due(d.At))
		}
	}
	moved := moveListing(o, c)
	args = append(append(args, len(moved)), moved...)
	return append(args, s.entries(ctx, c.Events)...)
}

// oldest returns the id below which the stream is trimmed.
func (s *Store) oldest(now time.Time) string {
	return position{ms: max(now.Add(-s.EventRetention).UnixMilli(), 1)}.String() // Redis refuses an id below the first
}

// entries are the stream's entries for the events, after how many words they are.
func (s *Store) entries(ctx context.Context, events []payment.Announcement) []any {
	trace := ""
	if s.TraceParent != nil {
		trace = s.TraceParent(ctx)
	}
	words := make([]any, 1, 1+11*len(events))
	for _, e := range events {
		at := len(words)
		words = append(words, 0, "id", e.ID, "type", e.Type, "data", e.Data)
		if e.Restored {
			words = append(words, "restored", "true")
		}
		if trace != "" {
			words = append(words, "trace", trace)
		}
		words[at] = len(words) - at - 1
	}
	words[0] = len(words) - 1
	return words
}

// hint names the order and the payments whose view has changed.
func hint(order payment.OrderID, views []payment.RenderedView) string {
	words := []string{string(order)}
	for _, v := range views {
		words = append(words, string(v.Payment))
	}
	return strings.Join(words, " ")
}

// milliseconds is a duration for Redis; empty where there is none.
func milliseconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// nextRevision returns a revision unique to its write: a counter and 8 random bytes. So after a
// failover to an older state no later write gets a revision that was used before.
func nextRevision(last string) string {
	counter, _, _ := strings.Cut(last, "-")
	n, _ := strconv.ParseUint(counter, 10, 64) // none before the first
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return strconv.FormatUint(n+1, 10) + "-" + base64.RawURLEncoding.EncodeToString(random[:])
}

// FindOrder returns the order of the payment's pointer; false if there is none. The absence of a pointer
// counts only if the partition has our mark.
func (s *Store) FindOrder(ctx context.Context, id payment.ID) (payment.OrderID, bool, error) {
	part := s.paymentPartition(id)
	return s.pointer(ctx, s.writing, part, id)
}

// SavePointer lets a pointer lead from the payment to the order until a moment.
func (s *Store) SavePointer(ctx context.Context, id payment.ID, order payment.OrderID, until time.Time) error {
	part := s.paymentPartition(id)
	keys := []string{part.pointer(id), s.meta(part)}
	_, err := s.run(ctx, savePointerScript, part, keys, string(order), until.UnixMilli())
	return err
}

// clock reads the reply to TIME.
func clock(seconds, micros any) time.Time {
	return time.Unix(integer(seconds), integer(micros)*int64(time.Microsecond))
}

func integer(value any) int64 {
	text, _ := value.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// due is a moment in Unix milliseconds; empty where there is none.
func due(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return strconv.FormatInt(at.UnixMilli(), 10)
}

// corrupt is the error of a record that cannot be read. It is not overwritten: an operator must
// repair it, or a newer program can read it.
func corrupt(key string, err error) error {
	if errors.Is(err, errNewer) {
		return unavailable(fmt.Errorf("%s: %w", key, err))
	}
	return &payment.Error{
		Code: payment.CodeInternal, Detail: "A stored record cannot be read.", Cause: fmt.Errorf("%s: %w", key, err),
	}
}

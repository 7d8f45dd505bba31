package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	json "github.com/go-json-experiment/json/v1"

	"kasse/service/payment"
)

var (
	loadOrderScript   = script("load_order")
	saveOrderScript   = script("save_order")
	savePointerScript = script("save_pointer")
)

// LoadOrder returns the order with its current payment and the payments in question, as far as it
// has them, and Redis's clock. An order that was never stored has no revision. A record that cannot
// be read is an error: it is neither shown nor taken for absent, since a later write would
// overwrite it. A partition that is not marked as ours is an error too: a Redis that was wiped does
// not know which orders there are.
func (s *Store) LoadOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, time.Time, error) {
	part, key := s.orderKey(ref)
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	answer, err := s.run(ctx, loadOrderScript, part, []string{key, s.meta(part)}, args...)
	if err != nil {
		return payment.Order{}, time.Time{}, err
	}
	reply, ok := answer.([]any)
	if !ok || len(reply) < loadedHead {
		return payment.Order{}, time.Time{}, corrupt(key, errReplyFormat)
	}
	now := clock(reply[0], reply[1])
	o, err := readOrder(ref, reply[2:], ids)
	if err != nil {
		return payment.Order{}, now, corrupt(key, err)
	}
	return o, now, nil
}

// loadedHead is how many values a load returns before the records.
const loadedHead = 5

var errReplyFormat = errors.New("unexpected reply format")

// readOrder reads revision, order, id of the current payment, its record, and a record for each
// payment in question.
func readOrder(ref payment.Ref, reply []any, ids []payment.ID) (payment.Order, error) {
	text := func(i int) string {
		if i >= len(reply) {
			return ""
		}
		value, _ := reply[i].(string)
		return value
	}
	o := payment.Order{ID: ref.Order, Foreign: ref.Foreign, Loaded: map[payment.ID]*payment.Payment{}}
	raw := text(1)
	switch _, exists := reply[0].(string); {
	case !exists && raw == "":
		return o, nil
	case text(0) == "":
		return o, errors.New("it has no revision")
	case raw == "":
		return o, errors.New("it has a revision and no order")
	}
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		return o, err
	}
	o.Revision, o.Raw = text(0), []byte(raw)
	all := append([]payment.ID{payment.ID(text(2))}, ids...)
	for i, id := range all {
		record := text(3 + i)
		a := o.Attempt(id)
		switch {
		case record == "" && a != nil && a.Version > 0:
			return o, fmt.Errorf("the record of %s is missing", id)
		case record == "" || o.Loaded[id] != nil:
			continue
		}
		p := &payment.Payment{ID: id, Raw: []byte(record)}
		if err := json.Unmarshal(p.Raw, p); err != nil {
			return o, fmt.Errorf("the record of %s: %w", id, err)
		}
		o.Loaded[id] = p
	}
	return o, nil
}

// SaveOrder writes the order and all that follows from the change, in one script. Where another
// write came first it writes nothing, and returns payment.ErrConflict with the order as it stands.
func (s *Store) SaveOrder(
	ctx context.Context, o payment.Order, c payment.Changes, ids ...payment.ID,
) (payment.Saved, error) {
	fields, saved, err := s.encodeOrder(o, c)
	if err != nil {
		return payment.Saved{}, err
	}
	if len(fields) == 0 && len(c.Events) == 0 {
		return payment.Saved{Order: o, Now: c.Now}, nil
	}
	part, key := s.orderKey(o.Ref())
	saved.Revision = nextRevision(o.Revision)
	keys := []string{key, s.meta(part), part.events(), part.reads(), part.sweep(), part.attention()}
	answer, err := s.run(ctx, saveOrderScript, part, keys, s.saveArgs(ctx, o, saved, c, fields, ids)...)
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
		return payment.Saved{Order: saved, Now: now, Written: true}, nil
	}
	latest, err := readOrder(o.Ref(), reply[3:], ids)
	if err != nil {
		return payment.Saved{}, corrupt(key, err)
	}
	return payment.Saved{Order: latest, Now: now}, payment.ErrConflict
}

// encodeOrder returns the fields that differ from what was loaded, and the order as it stands once
// they are written.
func (s *Store) encodeOrder(o payment.Order, c payment.Changes) (fields []any, saved payment.Order, err error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, o, err
	}
	if !bytes.Equal(raw, o.Raw) {
		fields = append(fields, "order", raw, "current", string(o.Current()))
	}
	saved = o
	saved.Raw, saved.Loaded = raw, make(map[payment.ID]*payment.Payment, len(o.Loaded))
	for id, p := range o.Loaded {
		raw, err := json.Marshal(p)
		if err != nil {
			return nil, o, err
		}
		if !bytes.Equal(raw, p.Raw) {
			fields = append(fields, "record:"+string(id), raw)
		}
		own := *p
		own.Raw = raw
		saved.Loaded[id] = &own
	}
	for _, v := range c.Views {
		fields = append(fields, "view:"+string(v.Payment), viewField(v.Version, v.SecretHash, v.JSON))
	}
	return fields, saved, nil
}

// keepAttention leaves the order where it is in the queue of attention: a foreign payment knows
// nothing of its order.
const keepAttention = "keep"

// saveArgs are the arguments of save_order.lua.
func (s *Store) saveArgs(
	ctx context.Context, o, saved payment.Order, c payment.Changes, fields []any, ids []payment.ID,
) []any {
	part, _ := s.orderKey(o.Ref())
	oldest := position{ms: max(c.Now.Add(-s.EventRetention).UnixMilli(), 1)} // Redis refuses an id below the first
	attention := due(c.Attention)
	if o.Foreign != "" {
		attention = keepAttention
	}
	args := []any{
		o.Revision, saved.Revision, string(o.ID), part.changed(), hint(o.ID, c.Views),
		milliseconds(c.Expires), oldest.String(),
		attention, len(ids),
	}
	for _, id := range ids {
		args = append(args, string(id))
	}
	args = append(append(args, len(fields)), fields...)
	for _, queue := range [][]payment.Due{c.Reads, c.Sweeps} {
		args = append(args, 2*len(queue))
		for _, d := range queue {
			args = append(args, string(d.Payment), due(d.At))
		}
	}
	trace := ""
	if s.TraceParent != nil {
		trace = s.TraceParent(ctx)
	}
	entries := []any{}
	for _, e := range c.Events {
		entry := []any{"id", e.ID, "type", e.Type, "data", e.Data}
		if e.Restored {
			entry = append(entry, "restored", "true")
		}
		if trace != "" {
			entry = append(entry, "trace", trace)
		}
		entries = append(append(entries, len(entry)), entry...)
	}
	return append(append(args, len(entries)), entries...)
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

// nextRevision is unique to its write: a counter and 8 random bytes. So a server that failed over
// to an older state cannot be taken for the newer one.
func nextRevision(last string) string {
	counter, _, _ := strings.Cut(last, "-")
	n, _ := strconv.ParseUint(counter, 10, 64) // none before the first
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return strconv.FormatUint(n+1, 10) + "-" + base64.RawURLEncoding.EncodeToString(random[:])
}

// FindOrder returns the order that the payment's pointer leads to; false where there is no pointer.
// The absence of a pointer is believed only where the partition is marked as ours.
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

// positive reads a version.
func positive(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n <= 0 {
		err = strconv.ErrRange
	}
	return n, err
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

// corrupt is a record that cannot be read. It is not overwritten: an operator has to look.
func corrupt(key string, err error) error {
	return &payment.Error{
		Code: payment.CodeInternal, Detail: "A stored record cannot be read.", Cause: fmt.Errorf("%s: %w", key, err),
	}
}

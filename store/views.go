package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

// LoadView returns the view as it was rendered last; payment.ErrNotFound where there is none.
func (s *Store) LoadView(ctx context.Context, id payment.ID) (payment.StoredView, error) {
	_, inMemory := s.pointers.get(id)
	order, found, err := s.pointed(ctx, id)
	if err != nil {
		return payment.StoredView{}, err
	}
	if !found {
		return payment.StoredView{Reads: missReads}, payment.ErrNotFound
	}
	view, err := s.loadView(ctx, payment.Ref{Order: order}, id)
	if errors.Is(err, payment.ErrNotFound) { // without an order whose token may read it
		view, err = s.loadView(ctx, payment.Ref{Order: order, Foreign: id}, id)
	} else {
		view.Order = order
	}
	if !inMemory {
		view.Reads++
	}
	if errors.Is(err, payment.ErrNotFound) {
		err = s.absent(ctx, s.reading, s.orderPartition(order))
	}
	return view, err
}

// missReads is the number of Redis reads for a missing payment: its pointer, and the mark of the partition. A
// stored payment takes as many, if neither its pointer nor its view is in memory.
const missReads = 2

// PadReads sends the reads that memory has saved, so that a forbidden payment takes as many reads
// as a missing one.
func (s *Store) PadReads(ctx context.Context, id payment.ID, made int) error {
	part := s.paymentPartition(id)
	for _, question := range []redis.Cmder{
		askMark(ctx, part.meta()), redis.NewStringCmd(ctx, "get", part.pointer(id)),
	}[min(made, missReads):] {
		if err := s.reading.run(ctx, question); ignoreNil(err) != nil {
			return unavailable(err)
		}
	}
	return nil
}

func (s *Store) loadView(ctx context.Context, ref payment.Ref, id payment.ID) (payment.StoredView, error) {
	_, key := s.orderKey(ref)
	load := func(ctx context.Context) (payment.StoredView, error) { return s.readView(ctx, ref, id) }
	if s.Readers.cache == nil {
		view, err := load(ctx)
		view.Reads = 1
		return view, err
	}
	return s.Readers.cache.view(ctx, s.hash(string(ref.Order)), viewKey{key, recordField(id)}, load)
}

// readView renders the view of a payment. It is not kept in Redis beside the record that it is
// rendered from; payment.ErrNotFound where there is none.
func (s *Store) readView(ctx context.Context, ref payment.Ref, id payment.ID) (payment.StoredView, error) {
	o, err := s.readOrder(ctx, ref, id)
	if err != nil {
		return payment.StoredView{}, err
	}
	a := o.Attempt(id)
	if a == nil || a.Version == 0 || o.Loaded[id] == nil {
		return payment.StoredView{}, payment.ErrNotFound
	}
	return payment.StoredView{View: o.Render(id), Version: a.Version, SecretHash: o.Loaded[id].SecretHash}, nil
}

// readOrder reads an order with the payments in question for a reader, without Redis's clock. The first try shows
// whether the order has blocks of earlier attempts; the second reads everything in one command again.
func (s *Store) readOrder(ctx context.Context, ref payment.Ref, ids ...payment.ID) (payment.Order, error) {
	for blocks := 0; ; {
		o, err := s.readFields(ctx, ref, ids, blocks)
		needed := payment.BlocksMissing(err)
		if needed <= blocks {
			return o, err
		}
		blocks = needed
	}
}

func (s *Store) readFields(
	ctx context.Context, ref payment.Ref, ids []payment.ID, blocks int,
) (payment.Order, error) {
	_, key := s.orderKey(ref)
	words := []any{"hmget", key}
	for _, field := range readFields(ids, blocks) {
		words = append(words, field)
	}
	question := redis.NewSliceCmd(ctx, words...)
	if err := s.reading.run(ctx, question); err != nil {
		return payment.Order{}, unavailable(err)
	}
	reply := question.Val()
	if len(reply) != len(words)-2 {
		return payment.Order{}, corrupt(key, errReplyFormat)
	}
	if reply[0] == nil && slices.ContainsFunc(reply, func(v any) bool { return v != nil }) {
		reply[0] = "" // it has records, but no order
	}
	o, err := decodeOrder(ref, reply[0], ids, reply[1:])
	if err != nil {
		return o, corrupt(key, err)
	}
	return o, nil
}

// LoadViews returns the views of an order's payments, nil for one that has none.
func (s *Store) LoadViews(ctx context.Context, order payment.OrderID, ids []payment.ID) ([][]byte, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	o, err := s.readOrder(ctx, payment.Ref{Order: order}, ids...)
	if err != nil {
		return nil, err
	}
	views := make([][]byte, len(ids))
	for i, id := range ids {
		views[i] = o.Render(id)
	}
	return views, nil
}

// LoadHistory returns the visible changes of a payment, oldest first, or payment.ErrNotFound.
func (s *Store) LoadHistory(ctx context.Context, id payment.ID) ([]payment.HistoryEntry, error) {
	order, found, err := s.pointed(ctx, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, payment.ErrNotFound
	}
	for _, ref := range []payment.Ref{{Order: order}, {Order: order, Foreign: id}} {
		o, err := s.readOrder(ctx, ref, id)
		if err != nil {
			return nil, err
		}
		if p := o.Loaded[id]; p != nil {
			return p.History, nil
		}
	}
	return nil, s.absent(ctx, s.reading, s.orderPartition(order))
}

// forgetView drops the cached views of a changed order. The writer then reads its own write, and the receiver
// of a hint a later state, without waiting for Redis's invalidation.
func (s *Store) forgetView(key string) {
	if s.Readers.cache != nil {
		s.Readers.cache.forget(key)
	}
}

// pointers keeps pointers in memory. A pointer never changes, so that a kept one stays true until
// the order is gone.
type pointers struct {
	mu   sync.RWMutex
	kept map[payment.ID]payment.OrderID
}

// mostPointers bounds the kept pointers, some 10 MB.
const mostPointers = 50_000

func (p *pointers) get(id payment.ID) (payment.OrderID, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	order, found := p.kept[id]
	return order, found
}

func (p *pointers) put(id payment.ID, order payment.OrderID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for old := range p.kept {
		if len(p.kept) < mostPointers {
			break
		}
		delete(p.kept, old)
	}
	p.kept[id] = order
}

// pointed returns the order of a payment for a reader, from memory if it is known there.
func (s *Store) pointed(ctx context.Context, id payment.ID) (payment.OrderID, bool, error) {
	if order, found := s.pointers.get(id); found {
		return order, true, nil
	}
	order, found, err := s.pointer(ctx, s.reading, s.paymentPartition(id), id)
	if found {
		s.pointers.put(id, order)
	}
	return order, found, err
}

// pointer reads a pointer. Its absence counts only in a partition with our mark: a Redis that lost
// its data has no pointers, but its payments exist.
func (s *Store) pointer(
	ctx context.Context, run commandRunner, part partition, id payment.ID,
) (payment.OrderID, bool, error) {
	question := redis.NewStringCmd(ctx, "get", part.pointer(id))
	err := run.run(ctx, question)
	switch {
	case err == nil:
		return payment.OrderID(question.Val()), true, nil
	case !errors.Is(err, redis.Nil):
		return "", false, unavailable(err)
	}
	if err := s.absent(ctx, run, part); !errors.Is(err, payment.ErrNotFound) {
		return "", false, err
	}
	return "", false, nil
}

// absent returns payment.ErrNotFound if the partition has our mark: then the record is not stored.
// A partition without a mark has lost its data, which is an error.
func (s *Store) absent(ctx context.Context, run commandRunner, part partition) error {
	question := askMark(ctx, s.meta(part))
	if err := run.run(ctx, question); err != nil {
		return unavailable(err)
	}
	if reply := question.Val(); len(reply) != 1 || reply[0] == nil {
		return unavailable(errNoMeta)
	}
	return payment.ErrNotFound
}

// askMark reads the mark of a partition with the command that reads an order, so that a missing payment takes
// the same commands as a forbidden one.
func askMark(ctx context.Context, meta string) *redis.SliceCmd {
	return redis.NewSliceCmd(ctx, "hmget", meta, "schema")
}

package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kasse/service/payment"
)

// redis stores the service's data, with the compare-and-set of the store's scripts. Each partition is on its own
// server.
type redis struct {
	sim         *simulation
	skew        time.Duration // error of its clock
	parts       []*partition
	quarantined int
	writes      int // in all, for unique revisions
}

// partition is the data of one server. Stored values are immutable, so a copy of the maps is a copy of the
// state.
type partition struct {
	orders    map[payment.Ref]*storedOrder
	pointers  map[payment.ID]payment.OrderID
	stream    []entry
	reads     queue[payment.ID]
	sweeps    queue[payment.ID]
	restores  queue[payment.ID]
	attention queue[payment.OrderID]
	notOurs   map[payment.ID]time.Time // value: end of the mark
	unknown   map[payment.ID]time.Time // value: end of the mark
	leases    map[string]holder
	caughtUp  time.Time
	history   int // number of times that the partition went back; a copy of an earlier state gets the next one
}

// storedOrder is an order, or a foreign payment, as stored in Redis.
type storedOrder struct {
	revision string
	order    []byte // JSON
	current  payment.ID
	records  map[payment.ID][]byte
	views    map[payment.ID]payment.StoredView
	expires  time.Time // zero: never
}

// entry is one entry of the stream.
type entry struct {
	payment.Announcement
	view payment.View
}

func newRedis(w *simulation, parts int) *redis {
	r := &redis{sim: w}
	for range parts {
		r.parts = append(r.parts, &partition{
			orders: map[payment.Ref]*storedOrder{}, pointers: map[payment.ID]payment.OrderID{},
			reads: queue[payment.ID]{}, sweeps: queue[payment.ID]{}, restores: queue[payment.ID]{},
			attention: queue[payment.OrderID]{}, notOurs: map[payment.ID]time.Time{},
			unknown: map[payment.ID]time.Time{}, leases: map[string]holder{},
		})
	}
	return r
}

// clone returns a copy of the state.
func (p *partition) clone() *partition {
	return &partition{
		orders: maps.Clone(p.orders), pointers: maps.Clone(p.pointers), stream: slices.Clone(p.stream),
		reads: maps.Clone(p.reads), sweeps: maps.Clone(p.sweeps), restores: maps.Clone(p.restores),
		attention: maps.Clone(p.attention), notOurs: maps.Clone(p.notOurs), unknown: maps.Clone(p.unknown),
		leases: maps.Clone(p.leases), caughtUp: p.caughtUp,
	}
}

// histories identifies the histories of all partitions.
func (r *redis) histories() (string, error) {
	var all []int
	for _, part := range r.parts {
		all = append(all, part.history)
	}
	return fmt.Sprint(all), nil
}

// goBack returns a partition to an earlier state.
func (r *redis) goBack(at int, earlier *partition) {
	history := r.parts[at].history + 1
	r.parts[at] = earlier.clone()
	r.parts[at].history = history
}

// now returns the time of Redis's clock.
func (r *redis) now() time.Time { return time.Now().Add(r.skew).Truncate(time.Microsecond) }

// partitionOf returns the partition of an order id or a payment id.
func (r *redis) partitionOf(id string) *partition {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return r.parts[int(h.Sum32())%len(r.parts)]
}

func (r *redis) ofOrder(id payment.OrderID) *partition { return r.partitionOf(string(id)) }
func (r *redis) ofPayment(id payment.ID) *partition    { return r.partitionOf(string(id)) }

// find returns a stored order; nil if it does not exist or has expired.
func (r *redis) find(ref payment.Ref) *storedOrder {
	stored := r.ofOrder(ref.Order).orders[ref]
	if stored == nil || (!stored.expires.IsZero() && !r.now().Before(stored.expires)) {
		return nil
	}
	return stored
}

// loadOrder returns an order with its current payment and the requested payments.
func (r *redis) loadOrder(ref payment.Ref, ids []payment.ID) (payment.Order, error) {
	o := payment.Order{ID: ref.Order, Foreign: ref.Foreign, Loaded: map[payment.ID]*payment.Payment{}}
	stored := r.find(ref)
	if stored == nil {
		return o, nil
	}
	if err := json.Unmarshal(stored.order, &o); err != nil {
		return o, err
	}
	o.Revision, o.Raw = stored.revision, slices.Clone(stored.order)
	for _, id := range append([]payment.ID{stored.current}, ids...) {
		record := stored.records[id]
		if a := o.Attempt(id); record == nil && a != nil && a.Version > 0 {
			return o, fmt.Errorf("the record of %s is missing", id)
		}
		if record == nil {
			continue
		}
		p := &payment.Payment{ID: id, Raw: slices.Clone(record)}
		if err := json.Unmarshal(record, p); err != nil {
			return o, err
		}
		o.Loaded[id] = p
	}
	return o, nil
}

// orderWrite is the content of one save.
type orderWrite struct {
	ref      payment.Ref
	loaded   string // the revision that was loaded
	revision string
	order    []byte // nil: unchanged
	records  map[payment.ID][]byte
	saved    payment.Order // the order after the write
	changes  payment.Changes
	ids      []payment.ID // requested payments
}

// encodeOrder returns the differences from the loaded order; false if there are none.
func (r *redis) encodeOrder(
	o payment.Order, c payment.Changes, ids []payment.ID,
) (w orderWrite, changed bool, err error) {
	w = orderWrite{ref: o.Ref(), loaded: o.Revision, records: map[payment.ID][]byte{}, saved: o, changes: c, ids: ids}
	text, err := json.Marshal(o)
	if err != nil {
		return w, false, err
	}
	if !bytes.Equal(text, o.Raw) {
		w.order = text
	}
	w.saved.Raw, w.saved.Loaded = text, map[payment.ID]*payment.Payment{}
	for id, p := range o.Loaded {
		text, err := json.Marshal(p)
		if err != nil {
			return w, false, err
		}
		if !bytes.Equal(text, p.Raw) {
			w.records[id] = text
		}
		own := *p
		own.Raw = text
		w.saved.Loaded[id] = &own
	}
	return w, w.order != nil || len(w.records) > 0 || len(c.Views) > 0 || len(c.Events) > 0, nil
}

// nextRevision returns a revision that no other write has.
func (r *redis) nextRevision(last string) string {
	counter, _, _ := strings.Cut(last, "-")
	n, _ := strconv.Atoi(counter)
	if r.sim.mutant.repeatRevisions {
		return strconv.Itoa(n + 1)
	}
	r.sim.mu.Lock()
	defer r.sim.mu.Unlock()
	r.writes++
	return fmt.Sprintf("%d-%d", n+1, r.writes)
}

// saveOrder does what save_order.lua does.
func (r *redis) saveOrder(w orderWrite) (payment.Saved, error) {
	before, revision := r.find(w.ref), ""
	if before != nil {
		revision = before.revision
	}
	saved := payment.Saved{Order: w.saved, Now: r.now(), Written: true}
	saved.Order.Revision = w.revision
	if revision == w.revision {
		return saved, nil // an earlier call has written it, and its reply was lost
	}
	late := w.changes.Within > 0 && r.now().Sub(w.changes.Now) > w.changes.Within
	if (revision != w.loaded || late) && !r.sim.mutant.withoutCAS {
		latest, err := r.loadOrder(w.ref, w.ids)
		if err != nil {
			return payment.Saved{}, err
		}
		return payment.Saved{Order: latest, Now: r.now()}, payment.ErrConflict
	}
	if r.sim.mutant.forgetWrites && r.sim.happens(0.05) {
		return saved, nil
	}
	after := r.written(before, w)
	part := r.ofOrder(w.ref.Order)
	part.orders[w.ref] = after
	r.enqueue(part, w)
	for _, e := range w.changes.Events {
		v, err := payment.DecodeView(e.Data)
		if err != nil {
			return payment.Saved{}, err
		}
		if !r.sim.mutant.forgetStream {
			part.stream = append(slices.Clip(part.stream), entry{e, v})
		}
	}
	r.sim.hints.publish(string(w.ref.Order))
	for _, v := range w.changes.Views {
		r.sim.hints.publish(string(v.Payment))
	}
	r.sim.checkSave(w, before, after)
	r.sim.keepState()
	return saved, nil
}

// written returns the stored order after the write.
func (r *redis) written(before *storedOrder, w orderWrite) *storedOrder {
	after := &storedOrder{records: map[payment.ID][]byte{}, views: map[payment.ID]payment.StoredView{}}
	if before != nil {
		*after = *before
		after.records, after.views = maps.Clone(before.records), maps.Clone(before.views)
	}
	after.revision = w.revision
	if w.order != nil {
		after.order, after.current = w.order, w.saved.Current()
	}
	if !r.sim.mutant.splitWrites || !r.sim.happens(0.1) {
		maps.Copy(after.records, w.records)
	}
	for _, v := range w.changes.Views {
		after.views[v.Payment] = payment.StoredView{View: v.JSON, Version: v.Version, SecretHash: v.SecretHash}
	}
	if after.expires = (time.Time{}); w.changes.Expires > 0 {
		after.expires = r.now().Add(w.changes.Expires)
	}
	return after
}

// enqueue adds the payments and the order of a write to the queues, or removes them.
func (r *redis) enqueue(part *partition, w orderWrite) {
	if !r.sim.mutant.forgetReads {
		for _, d := range w.changes.Reads {
			part.reads.put(d.Payment, d.At)
		}
	}
	if !r.sim.mutant.forgetSweeps {
		for _, d := range w.changes.Sweeps {
			part.sweeps.put(d.Payment, d.At)
		}
	}
	if w.ref.Foreign == "" && !r.sim.mutant.forgetAttention {
		part.attention.put(w.ref.Order, w.changes.Attention)
	}
}

// loadView finds a payment's view through its pointer.
func (r *redis) loadView(id payment.ID) (payment.StoredView, error) {
	order, found := r.ofPayment(id).pointers[id]
	if !found {
		return payment.StoredView{}, payment.ErrNotFound
	}
	for _, ref := range []payment.Ref{{Order: order}, {Order: order, Foreign: id}} {
		stored := r.find(ref)
		if stored == nil || stored.views[id].View == nil {
			continue
		}
		view := stored.views[id]
		if ref.Foreign == "" {
			view.Order = order
		}
		return view, nil
	}
	return payment.StoredView{}, payment.ErrNotFound
}

package service

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kasse/service/payment"
)

// HeldStatus is a held status request without its own goroutine; see StatusAfter. Requests that wait for the
// same payment share its reads.
type HeldStatus struct {
	service *Service
	ctx     context.Context // the request's context, without its cancellation
	caller  Caller
	id      payment.ID
	version int64
	WaitOptions
	done HeldAnswer

	// Guarded by the mutex of heldStatuses.
	group    *heldGroup // nil: not begun, or ended
	place    int        // index in group.waiting
	joined   int        // group.joined when it joined
	released bool       // released before it began
	heldUntil
}

// HeldAnswer answers a held request. If later is not nil, many other requests wait for their answers. Work
// that can wait until they are sent is passed to later.
type HeldAnswer func(stored payment.StoredView, err error, later func(func()))

// heldStatuses are all held requests.
type heldStatuses struct {
	mu     sync.Mutex
	groups map[payment.ID]*heldGroup
	count  int
	quiet  chan struct{} // closed when none is held
	ends   heldEnds
}

// heldGroup has the requests that wait for one payment. After a change it stays for a moment longer than the
// last of them, for their next requests.
type heldGroup struct {
	id      payment.ID
	waiting []*HeldStatus
	joined  int         // requests that have ever joined
	reread  time.Time   // looks again, should a hint have been lost
	stop    func()      // stops the hints
	hinted  atomic.Bool // a read is pending

	latest       *payment.StoredView // the payment as it was loaded at the last hint; nil: it has to be loaded
	latestUntil  time.Time
	subscription int64 // on which a later hint would have come
}

// HoldStatus prepares a held request that knows the version. ctx must not end with the request. Begin must
// follow, unless the request is answered in another way.
func (s *Service) HoldStatus(
	ctx context.Context, caller Caller, id payment.ID, version int64, o WaitOptions,
) *HeldStatus {
	return &HeldStatus{
		service: s, ctx: ctx, caller: caller, id: id, version: version, WaitOptions: o,
	}
}

// Begin holds the request. done is called once, possibly before Begin returns. It gets the view if there is
// another version. It gets the version alone when the time is over, or when one or all requests are released.
func (h *HeldStatus) Begin(done HeldAnswer) {
	h.done = done
	if h.service.join(h) {
		h.end(h.unchanged(), nil, nil)
		return
	}
	if version, known := h.service.HeldVersion(h.caller, h.id); known && version == h.version {
		return
	}
	stored, err := h.service.Status(h.ctx, h.caller, h.id) // it may have changed before the hints began
	if err != nil || stored.Version != h.version {
		h.end(stored, err, nil)
	}
}

// Release ends the request, because its caller is gone or wants the answer now.
func (h *HeldStatus) Release() {
	all := &h.service.held
	all.mu.Lock()
	h.released = true
	all.mu.Unlock()
	h.end(h.unchanged(), nil, nil)
}

func (h *HeldStatus) unchanged() payment.StoredView { return payment.StoredView{Version: h.version} }

// end answers, unless an answer was given.
func (h *HeldStatus) end(stored payment.StoredView, err error, later func(func())) {
	all := &h.service.held
	all.mu.Lock()
	mine := h.service.leave(h)
	all.mu.Unlock()
	if mine {
		h.done(stored, err, later)
	}
}

// HeldStatuses counts the held requests without a goroutine.
func (s *Service) HeldStatuses() int {
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	return s.held.count
}

// HeldVersion returns the version of a payment that the caller may see, where it is certain without a look at Redis:
// one was loaded a moment ago for others who waited for it, and no change has been hinted since. It decides only
// whether a request is held: a process that writes knows a later one before the hint.
func (s *Service) HeldVersion(caller Caller, id payment.ID) (version int64, known bool) {
	all := &s.held
	all.mu.Lock()
	defer all.mu.Unlock()
	g := all.groups[id]
	if g == nil || g.latest == nil || g.hinted.Load() || clockNow().After(g.latestUntil) || !s.hintsGoOn(g) ||
		!caller.sees(*g.latest) {
		return 0, false
	}
	return g.latest.Version, true
}

// hintsGoOn reports whether no hint can have been lost since the group's payment was loaded.
func (s *Service) hintsGoOn(g *heldGroup) bool {
	subscription, sure := s.views.Hints()
	return sure && subscription == g.subscription
}

// join adds a request to its payment's group. It reports whether the request has been released already.
func (s *Service) join(h *HeldStatus) (released bool) {
	all := &s.held
	all.mu.Lock()
	defer all.mu.Unlock()
	g := all.groups[h.id]
	if g == nil {
		g = &heldGroup{id: h.id, reread: clockNow().Add(s.rereadPause())}
		g.subscription, _ = s.views.Hints()
		g.stop = s.views.OnPaymentChange(h.id, func() {
			if !g.hinted.Swap(true) {
				go s.look(g)
			}
		})
		if all.groups == nil {
			all.groups = map[payment.ID]*heldGroup{}
		}
		all.groups[h.id] = g
	}
	g.joined++
	h.group, h.place, h.joined = g, len(g.waiting), g.joined
	g.waiting = append(g.waiting, h)
	all.ends.add(h)
	if all.count++; all.count == 1 {
		all.quiet = make(chan struct{})
		go s.endHeld(h.Released, all.quiet)
	}
	select {
	case <-h.Released:
		return true
	default:
		return h.released
	}
}

func (s *Service) rereadPause() time.Duration { return waitReread + s.Jitter(waitReread/2) }

// leave removes a request and reports whether it was held. The caller holds the lock.
func (s *Service) leave(h *HeldStatus) bool {
	all, g := &s.held, h.group
	if g == nil {
		return false
	}
	h.group = nil
	all.ends.remove(h)
	last := len(g.waiting) - 1
	g.waiting[h.place] = g.waiting[last]
	g.waiting[h.place].place = h.place
	g.waiting[last] = nil
	if g.waiting = g.waiting[:last]; last == 0 && g.latest == nil {
		all.end(g)
	}
	if all.count--; all.count == 0 {
		close(all.quiet)
		if len(all.groups) > 0 {
			time.AfterFunc(latestFor+heldTick, s.lookAtGroups)
		}
	}
	return true
}

// end ends a group without requests. The caller holds the lock.
func (all *heldStatuses) end(g *heldGroup) {
	g.stop()
	if all.groups[g.id] == g {
		delete(all.groups, g.id)
	}
}

// look loads the payment once and answers all requests that wait for another version. A request that joins
// during the load may know a later version than the loaded one; it reads the payment itself.
func (s *Service) look(g *heldGroup) {
	all := &s.held
	all.mu.Lock()
	g.latest = nil
	g.hinted.Store(false)
	if len(g.waiting) == 0 {
		all.end(g)
		all.mu.Unlock()
		return
	}
	joined, ctx := g.joined, g.waiting[0].ctx
	all.mu.Unlock()
	subscription, sure := s.views.Hints()
	stored, err := s.views.LoadView(ctx, g.id)
	if err == nil {
		stored.Public = stored.PublicJSON() // shared by all of them
	}

	all.mu.Lock()
	g.subscription = subscription
	g.reread = clockNow().Add(s.rereadPause())
	var over []*HeldStatus
	for _, h := range slices.Backward(slices.Clone(g.waiting)) {
		if h.joined <= joined && (err != nil || h.version != stored.Version) {
			over = append(over, h)
		}
	}
	if err == nil && sure && len(over) > 0 {
		latest := stored
		g.latest, g.latestUntil = &latest, clockNow().Add(latestFor)
	}
	for _, h := range over {
		s.leave(h)
	}
	all.mu.Unlock()
	inParallel(over, func(h *HeldStatus, later func(func())) { h.answer(stored, err, later) })
}

// answer answers a removed request with the loaded view.
func (h *HeldStatus) answer(stored payment.StoredView, err error, later func(func())) {
	switch {
	case err == nil && h.caller.sees(stored):
		stored = h.caller.cut(stored)
	case err == nil || errors.Is(err, payment.ErrNotFound): // it is loaded, or costs the same as a missing one
		stored, err = h.service.Status(h.ctx, h.caller, h.id)
	default:
		stored = payment.StoredView{}
	}
	h.done(stored, err, later)
}

// fewHeld is the number of requests up to which they are answered one by one.
const fewHeld = 64

// inParallel calls do for each request, on all processors if they are many. Then it runs the functions that
// were put off.
func inParallel(all []*HeldStatus, do func(h *HeldStatus, later func(func()))) {
	if len(all) <= fewHeld {
		for _, h := range all {
			do(h, nil)
		}
		return
	}
	workers := runtime.GOMAXPROCS(0)
	putOff := make([][]func(), workers)
	onAll := func(work func(worker int, part []*HeldStatus)) {
		var running sync.WaitGroup
		worker := 0
		for part := range slices.Chunk(all, (len(all)+workers-1)/workers) {
			mine := worker
			running.Go(func() { work(mine, part) })
			worker++
		}
		running.Wait()
	}
	onAll(func(worker int, part []*HeldStatus) {
		later := func(f func()) { putOff[worker] = append(putOff[worker], f) }
		for _, h := range part {
			do(h, later)
		}
	})
	onAll(func(worker int, _ []*HeldStatus) {
		for _, f := range putOff[worker] {
			f()
		}
	})
}

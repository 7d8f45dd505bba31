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
	over     *time.Timer
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
}

// heldGroup holds the requests that wait for one payment.
type heldGroup struct {
	id      payment.ID
	waiting []*HeldStatus
	joined  int         // requests that have ever joined
	reread  *time.Timer // reads again, in case a hint was lost
	stop    func()      // stops the hints
	hinted  atomic.Bool // a read is pending
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
	mine := all.leave(h)
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

// join adds a request to its payment's group. It reports whether the request has been released already.
func (s *Service) join(h *HeldStatus) (released bool) {
	all := &s.held
	all.mu.Lock()
	defer all.mu.Unlock()
	g := all.groups[h.id]
	if g == nil {
		g = &heldGroup{id: h.id}
		g.stop = s.views.OnPaymentChange(h.id, func() {
			if !g.hinted.Swap(true) {
				go s.look(g)
			}
		})
		g.reread = time.AfterFunc(s.rereadPause(), func() { s.look(g) })
		if all.groups == nil {
			all.groups = map[payment.ID]*heldGroup{}
		}
		all.groups[h.id] = g
	}
	g.joined++
	h.group, h.place, h.joined = g, len(g.waiting), g.joined
	g.waiting = append(g.waiting, h)
	h.over = time.AfterFunc(h.For, func() { h.end(h.unchanged(), nil, nil) })
	if all.count++; all.count == 1 {
		all.quiet = make(chan struct{})
		go all.releaseAt(h.Released, all.quiet)
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
func (all *heldStatuses) leave(h *HeldStatus) bool {
	g := h.group
	if g == nil {
		return false
	}
	h.group = nil
	h.over.Stop()
	last := len(g.waiting) - 1
	g.waiting[h.place] = g.waiting[last]
	g.waiting[h.place].place = h.place
	g.waiting[last] = nil
	if g.waiting = g.waiting[:last]; last == 0 {
		g.stop()
		g.reread.Stop()
		delete(all.groups, g.id)
	}
	if all.count--; all.count == 0 {
		close(all.quiet)
	}
	return true
}

// releaseAt answers all requests when they are released, unless all have ended before.
func (all *heldStatuses) releaseAt(released, quiet <-chan struct{}) {
	select {
	case <-quiet:
		return
	case <-released:
	}
	all.mu.Lock()
	var held []*HeldStatus
	for _, g := range all.groups {
		held = append(held, g.waiting...)
	}
	all.mu.Unlock()
	inParallel(held, func(h *HeldStatus, later func(func())) { h.end(h.unchanged(), nil, later) })
}

// look loads the payment once and answers all requests that wait for another version. A request that joins
// during the load may know a later version than the loaded one; it reads the payment itself.
func (s *Service) look(g *heldGroup) {
	g.hinted.Store(false)
	all := &s.held
	all.mu.Lock()
	if len(g.waiting) == 0 {
		all.mu.Unlock()
		return
	}
	joined, ctx := g.joined, g.waiting[0].ctx
	all.mu.Unlock()
	stored, err := s.views.LoadView(ctx, g.id)

	all.mu.Lock()
	var over []*HeldStatus
	for _, h := range slices.Backward(slices.Clone(g.waiting)) {
		if h.joined <= joined && (err != nil || h.version != stored.Version) {
			all.leave(h)
			over = append(over, h)
		}
	}
	if len(g.waiting) > 0 {
		g.reread.Reset(s.rereadPause())
	}
	all.mu.Unlock()
	if err == nil && len(over) > 0 {
		stored.Public = stored.PublicJSON() // shared by all of them
	}
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

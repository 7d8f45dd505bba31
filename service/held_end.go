package service

import "time"

const (
	heldTick  = 100 * time.Millisecond // the most by which a held request ends late
	heldSlots = 256
	// latestFor is how long the payment of a group is remembered after a change: the next requests of those who were
	// answered come within this time.
	latestFor = time.Second
	groupLook = 10 // ticks between two looks at all groups
)

// heldUntil is the place of a held request among those that end at the same tick.
type heldUntil struct {
	tick           int64
	earlier, later *HeldStatus
}

// heldEnds are the held requests by the tick at which their time is over. A timer for each would be moved by the
// runtime with thousands of others at each answer.
type heldEnds struct {
	began time.Time
	slots [heldSlots]*HeldStatus // the first of each
	next  int64                  // the tick whose slot is looked at next
}

// at is the tick of a moment; it has begun then.
func (e *heldEnds) at(moment time.Time) int64 { return int64(moment.Sub(e.began) / heldTick) }

// add adds a request whose time begins now.
func (e *heldEnds) add(h *HeldStatus) {
	now := clockNow()
	if e.began.IsZero() {
		e.began = now
	}
	h.tick = e.at(now.Add(h.For + heldTick - 1))
	first := &e.slots[h.tick%heldSlots]
	if h.later = *first; h.later != nil {
		h.later.earlier = h
	}
	h.earlier, *first = nil, h
}

// remove removes a request.
func (e *heldEnds) remove(h *HeldStatus) {
	if h.later != nil {
		h.later.earlier = h.earlier
	}
	if h.earlier != nil {
		h.earlier.later = h.later
	} else {
		e.slots[h.tick%heldSlots] = h.later
	}
	h.earlier, h.later = nil, nil
}

// over returns those whose time is over.
func (e *heldEnds) over() (all []*HeldStatus) {
	now := e.at(clockNow())
	for e.next = max(e.next, now-heldSlots+1); e.next <= now; e.next++ {
		for h := e.slots[e.next%heldSlots]; h != nil; h = h.later {
			if h.tick <= now {
				all = append(all, h)
			}
		}
	}
	e.next = now // its slot may get some that end at this tick
	return all
}

// endHeld ends requests whose time is over, and all when they are to be released, until none is left.
func (s *Service) endHeld(released, quiet <-chan struct{}) {
	tick := time.NewTicker(heldTick)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-quiet:
			return
		case <-released:
			s.releaseHeld()
			released = nil
		case <-tick.C:
			s.endOver()
			if n%groupLook == 0 {
				s.lookAtGroups()
			}
		}
	}
}

// endOver answers those whose time is over.
func (s *Service) endOver() {
	s.held.mu.Lock()
	over := s.held.ends.over()
	s.held.mu.Unlock()
	for _, h := range over {
		h.end(h.unchanged(), nil, nil)
	}
}

// releaseHeld answers all.
func (s *Service) releaseHeld() {
	all := &s.held
	all.mu.Lock()
	var held []*HeldStatus
	for _, g := range all.groups {
		held = append(held, g.waiting...)
	}
	all.mu.Unlock()
	inParallel(held, func(h *HeldStatus, later func(func())) { h.end(h.unchanged(), nil, later) })
}

// lookAtGroups ends the groups without a request, and reads the payment again for those that may have missed
// a hint.
func (s *Service) lookAtGroups() {
	all, now := &s.held, clockNow()
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, g := range all.groups {
		if g.latest != nil && now.After(g.latestUntil) {
			g.latest = nil
		}
		switch {
		case g.hinted.Load():
		case len(g.waiting) == 0:
			if g.latest == nil {
				all.end(g)
			}
		case now.Before(g.reread):
		case s.hintsGoOn(g):
			g.reread = now.Add(s.rereadPause())
		case !g.hinted.Swap(true):
			go s.look(g)
		}
	}
}

// clockNow is the clock by which requests are held; it decides nothing else.
func clockNow() time.Time {
	return time.Now() //nolint:forbidigo // only what passes is measured
}

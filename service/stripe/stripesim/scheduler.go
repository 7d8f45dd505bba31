package stripesim

import (
	"slices"
	"time"
)

// timer is due at a time of the simulator's clock. It is work of the account, or a delivery.
type timer struct {
	at       time.Time
	do       func()
	delivery *delivery
}

// scheduler holds the timers, the earliest first.
type scheduler []timer

func (g *scheduler) add(next timer) {
	at, _ := slices.BinarySearchFunc(*g, next, func(a, b timer) int {
		if a.at.After(b.at) {
			return 1
		}
		return -1
	})
	*g = slices.Insert(*g, at, next)
}

// due removes and returns the timers that are due.
func (g *scheduler) due(now time.Time) []timer {
	n := 0
	for n < len(*g) && !(*g)[n].at.After(now) {
		n++
	}
	out := slices.Clone((*g)[:n])
	*g = slices.Delete(*g, 0, n)
	return out
}

// after plans work of the account.
func (a *account) after(d time.Duration, do func()) {
	a.scheduler.add(timer{at: a.now().Add(d), do: do})
}

// settleNow does the work that is due within the settlement time of debits and refunds. Expiries of
// authorisations and vouchers, which take days, stay.
func (a *account) settleNow() {
	until := a.now().Add(a.opts.Settle)
	var rest scheduler
	var now []func()
	for _, next := range a.scheduler {
		if next.do != nil && !next.at.After(until) {
			now = append(now, next.do)
		} else {
			rest = append(rest, next)
		}
	}
	a.scheduler = rest
	for _, do := range now {
		a.changes++
		do()
	}
}

// runDue runs the timers that are due, and returns the time until the next one.
func (a *account) runDue() time.Duration {
	for {
		due := a.scheduler.due(a.now())
		if len(due) == 0 {
			break
		}
		for _, timer := range due {
			if timer.delivery != nil {
				a.outbox.ready = append(a.outbox.ready, timer.delivery)
			} else {
				a.changes++
				timer.do()
			}
		}
	}
	if len(a.scheduler) == 0 {
		return time.Hour
	}
	return a.scheduler[0].at.Sub(a.now())
}

// runScheduler runs timers until the server closes.
func (s *Server) runScheduler() {
	for {
		s.mu.Lock()
		next := s.account.runDue()
		s.changed.Broadcast()
		s.mu.Unlock()
		timer := time.NewTimer(next)
		select {
		case <-s.done.Done():
			timer.Stop()
			return
		case <-s.rescheduled:
			timer.Stop()
		case <-timer.C:
		}
	}
}

package payment

import (
	"testing"
	"time"
)

// readsUntil returns how often a payment that never changes is read until it has the age, and the pauses between the
// reads.
func readsUntil(abandonAfter time.Duration, state State, age time.Duration) (reads int, pauses []time.Duration) {
	opened := time.Unix(1_760_000_000, 0)
	o := Order{Rules: Rules{AbandonAfter: abandonAfter}}
	a := &Attempt{State: state, UpdatedAt: opened.Unix()}
	for now := opened; ; reads++ {
		due := o.sweepAt(a, nil, now)
		if due.IsZero() || due.Sub(opened) > age {
			return reads, pauses
		}
		pauses = append(pauses, due.Sub(now))
		now = due
	}
}

// TestSweepDoubles: the pauses begin as in the contract, then double, and are at most a day.
func TestSweepDoubles(t *testing.T) {
	for state, first := range map[State]time.Duration{
		ActionRequired: 2 * time.Minute, Pending: 15 * time.Minute, Failed: 15 * time.Minute, InProgress: time.Hour,
		Authorized: time.Hour,
	} {
		_, pauses := readsUntil(0, state, 30*24*time.Hour)
		if pauses[0] != first || pauses[1] != first || pauses[2] != 2*first {
			t.Errorf("%s: the first pauses are %v", state, pauses[:3])
		}
		for i, pause := range pauses[2:] {
			if want := min(2*pauses[i+1], 24*time.Hour); pause != want {
				t.Errorf("%s: pause %d is %s, want %s", state, i+2, pause, want)
			}
		}
		if last := pauses[len(pauses)-1]; last != 24*time.Hour {
			t.Errorf("%s: the last pause is %s", state, last)
		}
	}
	for _, state := range []State{Paid, CanceledState, PartiallyRefunded, Refunded, Disputed, ChargedBack} {
		if reads, _ := readsUntil(0, state, 30*24*time.Hour); reads > 0 {
			t.Errorf("%s: %d reads", state, reads)
		}
	}
}

// TestAbandonedOnTime: if payments are abandoned, the last read is at exactly that age.
func TestAbandonedOnTime(t *testing.T) {
	for _, after := range []time.Duration{time.Hour, 100 * time.Minute, 40 * time.Hour, 168 * time.Hour} {
		before, _ := readsUntil(after, Pending, after-time.Second)
		if reads, _ := readsUntil(after, Pending, after); reads != before+1 {
			t.Errorf("%s: %d reads before that age and %d until then, want one more", after, before, reads)
		}
	}
}

// TestOpenCartsAreCheap: 100,000 unpaid carts of every age need less than the budget of reads.
func TestOpenCartsAreCheap(t *testing.T) {
	const carts, budget = 100_000, 2.5 // reads a second
	const abandoned = 168 * time.Hour
	for name, after := range map[string]time.Duration{"abandoned after a week": abandoned, "kept": 0} {
		reads, _ := readsUntil(after, Pending, abandoned)
		calls := reads // of one cart in its life: as many carts are opened as end
		if after > 0 {
			calls++ // the cancellation
		}
		rate := carts * float64(calls) / abandoned.Seconds()
		t.Logf("%s: %.2f calls a second", name, rate)
		if rate >= budget {
			t.Errorf("%s: %.2f calls a second, want less than %.1f", name, rate, budget)
		}
	}
}

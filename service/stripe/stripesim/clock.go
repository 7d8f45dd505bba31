package stripesim

import "time"

func machineClock() time.Time { return time.Now() }

// clock is the clock of the Options, moved forward. Every time that the simulator shows or waits
// for comes from it.
type clock struct {
	base   func() time.Time
	offset time.Duration
}

func (c *clock) now() time.Time { return c.base().Add(c.offset) }

// unix is a time as Stripe writes it, in seconds; zero is null.
type unix int64

func (c *clock) unix() unix { return unix(c.now().Unix()) }

// MarshalJSON writes null for zero.
func (u unix) MarshalJSON() ([]byte, error) { return nullOr(int64(u), u == 0) }

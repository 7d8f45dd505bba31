package stripesim

import "time"

// clock is the machine's own, moved forward: every time that the simulator names or waits for is read from it.
type clock struct{ offset time.Duration }

func (c *clock) now() time.Time { return time.Now().Add(c.offset) }

// unix is a moment as Stripe writes it, in seconds; zero is null.
type unix int64

func (c *clock) unix() unix { return unix(c.now().Unix()) }

// MarshalJSON writes null for a moment that has not come.
func (u unix) MarshalJSON() ([]byte, error) { return nullOr(int64(u), u == 0) }

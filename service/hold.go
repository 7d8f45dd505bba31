package service

import (
	"context"
	"time"
)

// Patience is for how long an answer without news may be held back.
type Patience struct {
	For      time.Duration   // zero: it is not
	Released <-chan struct{} // closed when nobody is held any longer; nil: never
}

// waitReread is how often a waiting reader looks again by itself, should a hint have been lost; up to half of it more,
// so that many who began together do not come together.
const waitReread = 5 * time.Second

// waiting is an answer that is being held back.
type waiting struct {
	Patience
	over   *time.Timer
	hints  <-chan struct{}
	jitter func(time.Duration) time.Duration
}

func (s *Service) hold(p Patience, hints <-chan struct{}) waiting {
	return waiting{p, time.NewTimer(p.For), hints, s.Jitter}
}

func (w waiting) end() { w.over.Stop() }

// more waits for a hint, or long enough that one may have been lost, and reports whether to look again. The last look is
// the answer once the time is over, whoever asked has gone, or all are released.
func (w waiting) more(ctx context.Context) bool {
	if w.For <= 0 {
		return false
	}
	reread := time.NewTimer(waitReread + w.jitter(waitReread/2))
	defer reread.Stop()
	select {
	case <-w.hints:
		return true
	case <-reread.C:
		return true
	case <-w.over.C:
	case <-w.Released:
	case <-ctx.Done():
	}
	return false
}

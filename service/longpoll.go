package service

import (
	"context"
	"time"
)

// WaitOptions bounds how long a request without new data is held open.
type WaitOptions struct {
	For      time.Duration   // zero: it is answered at once
	Released <-chan struct{} // closed when all held requests are to be answered; nil: never
}

// waitReread is how often a waiting reader looks again by itself, should a hint have been lost. Up to half of it is
// added, so that many who began together do not read together.
const waitReread = 5 * time.Second

// waiting is a request that is being held open.
type waiting struct {
	WaitOptions
	over   *time.Timer
	hints  <-chan struct{}
	jitter func(time.Duration) time.Duration
}

func (s *Service) hold(o WaitOptions, hints <-chan struct{}) waiting {
	return waiting{o, time.NewTimer(o.For), hints, s.Jitter}
}

func (w waiting) end() { w.over.Stop() }

// wait waits for a hint, or long enough that one may have been lost, and reports whether to look again. The last
// look is the answer once the time is over, the caller has hung up, or all are released.
func (w waiting) wait(ctx context.Context) bool {
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

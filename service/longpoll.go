package service

import (
	"context"
	"time"
)

// WaitOptions bounds how long a request without new data is held open.
type WaitOptions struct {
	For      time.Duration   // zero: no waiting
	Released <-chan struct{} // closed when all held requests must be answered; nil: never
}

// waitReread is the interval at which a waiting reader reads without a hint, in case one was lost. Up to half
// of it is added, so that readers spread out.
const waitReread = 5 * time.Second

// waiting is a held request.
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

// wait waits for a hint or for waitReread, and reports whether to read again. The last read is the answer
// once the time is over, the caller has hung up, or all are released.
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

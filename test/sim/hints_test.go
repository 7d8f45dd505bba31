package sim_test

import (
	"slices"
	"sync"
)

// hints are Redis's channels: whoever waits for a record is told that it has changed, unless the hint is lost.
type hints struct {
	mu      sync.Mutex
	waiting map[string][]chan struct{}
	lose    func() bool
}

func (h *hints) on(id string) (hint <-chan struct{}, stop func()) {
	mine := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = append(h.waiting[id], mine)
	return mine, func() { h.off(id, mine) }
}

func (h *hints) off(id string, mine chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var others []chan struct{}
	for _, c := range h.waiting[id] {
		if c != mine {
			others = append(others, c)
		}
	}
	h.waiting[id] = others
}

func (h *hints) give(id string) {
	if h.lose() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range slices.Concat(h.waiting[id], h.waiting[""]) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

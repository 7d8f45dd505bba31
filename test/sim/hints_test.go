package sim_test

import (
	"slices"
	"sync"
)

// hints replaces Redis's channels. A waiting reader gets a hint at each change of its order or payment, unless the hint
// is lost.
type hints struct {
	mu      sync.Mutex
	waiting map[string][]chan struct{}
	lose    func() bool
}

// watch subscribes to the hints of an id; an empty id means all.
func (h *hints) watch(id string) (hint <-chan struct{}, stop func()) {
	mine := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = append(h.waiting[id], mine)
	return mine, func() { h.stop(id, mine) }
}

func (h *hints) stop(id string, mine chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = slices.DeleteFunc(slices.Clone(h.waiting[id]), func(c chan struct{}) bool { return c == mine })
}

func (h *hints) publish(id string) {
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

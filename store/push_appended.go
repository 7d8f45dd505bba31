package store

import (
	"strings"
	"sync"

	"kasse/service/push"
)

// appendWatch passes hints about streams to those who push from them.
type appendWatch struct {
	mu   sync.Mutex
	sets map[*push.Appended]bool
}

// WatchAppended adds partitions to a when events may have been appended to them, until stop is
// called.
func (s *Store) WatchAppended(a *push.Appended) (stop func()) {
	w := &s.appended
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sets == nil {
		w.sets = map[*push.Appended]bool{}
	}
	w.sets[a] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.sets, a)
	}
}

// hint passes on that events may have been appended to a partition's stream.
func (w *appendWatch) hint(partition int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.sets {
		a.Add(partition)
	}
}

// partitionOf is the number of the partition whose channel this is.
func partitionOf(channel string) int {
	number, _, _ := strings.Cut(strings.TrimPrefix(channel, keyPrefix+"p"), "}")
	return int(integer(number))
}

package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// queueKind is a kind of queue of which each partition has one.
type queueKind int

// The kinds.
const (
	queueReads queueKind = iota
	queueSweeps
	queueOrders // that a worker has to look at
	queueRestores
	queueTokenRestores // by order tokens
	queuePasses        // that commands ask for; in partition 0 only
	queueKinds         // how many kinds there are
)

// Bounds of the delay until a process sees a member whose hint was lost, or that has no hint: another process of an
// older version has queued it, or has died with it.
const (
	lookAgain    = 3 * time.Second
	lookRestores = 2 * time.Second
)

// queueLooks decides which partitions of a queue must be checked, so that an idle process sends Redis few commands. A
// hint about a partition means that its queues may have changed, and a check returns when the next member is due.
// Without a subscription all partitions are checked each time.
type queueLooks struct {
	subscribed atomic.Bool // hints arrive

	mu sync.Mutex
	at [queueKinds][]time.Time // when to look at a partition; zero: at once
}

// due returns the partitions of the kind that have to be looked at. Hints that arrive later make them due again.
func (l *queueLooks) due(kind queueKind, partitions int) (due []int) {
	now := time.Now() //nolint:forbidigo // it paces looks, and dates nothing
	again := lookAgain
	if kind == queueRestores || kind == queueTokenRestores {
		again = lookRestores
	}
	all := !l.subscribed.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at[kind] == nil {
		l.at[kind] = make([]time.Time, partitions)
	}
	for n, at := range l.at[kind] {
		if all || !now.Before(at) {
			l.at[kind][n] = now.Add(again)
			due = append(due, n)
		}
	}
	return due
}

// sooner has a partition looked at again when a member is due, in Unix milliseconds. If the clock of the process is
// behind Redis's, lookAgain bounds the delay.
func (l *queueLooks) sooner(kind queueKind, partition int, due float64) {
	now := time.Now() //nolint:forbidigo // it paces looks, and dates nothing
	rest := min(max(due-float64(now.UnixMilli()), 0), float64(lookAgain.Milliseconds()))
	at := now.Add(time.Duration(rest) * time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	if partition < len(l.at[kind]) && at.Before(l.at[kind][partition]) {
		l.at[kind][partition] = at
	}
}

// hint has a partition's queue looked at next time.
func (l *queueLooks) hint(kind queueKind, partition int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if partition >= 0 && partition < len(l.at[kind]) {
		l.at[kind][partition] = time.Time{}
	}
}

// saved handles the hint of a write of an order: the write may have queued something in its partition.
func (l *queueLooks) saved(partition int) {
	for _, kind := range []queueKind{queueReads, queueSweeps, queueOrders} {
		l.hint(kind, partition)
	}
}

// follow begins or ends the use of hints. Members that were queued before may have had no hint.
func (l *queueLooks) follow(subscribed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = [queueKinds][]time.Time{}
	l.subscribed.Store(subscribed)
}

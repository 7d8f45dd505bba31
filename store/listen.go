package store

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The subscription is probed, since a broken connection looks like an idle one. Redis sends
// everything on a connection in order: when the answer to a probe arrives, all hints have arrived
// that were published on that server before the probe.
const (
	askEvery    = 500 * time.Millisecond
	silentFor   = 3 * time.Second        // after it without a reply the subscription is replaced
	listenPause = 100 * time.Millisecond // pause before a new subscription
	// trustFor is how long after an answered probe kept views are served. Another process's change is
	// visible at the latest that long after its acknowledgement.
	trustFor = 1500 * time.Millisecond
)

// Listen passes hints on until the context ends, on one subscription after the other; on a cluster,
// and behind sentinels where views are kept, on one to each master. go-redis does not break off a
// handshake, so that the end may take as long as one (5 s) where Redis does not answer.
func (s *Store) Listen(ctx context.Context) {
	if cluster, ok := s.Readers.client.(*redis.ClusterClient); ok {
		s.listenToMasters(ctx, cluster)
		return
	}
	all := holder{client: s.redis}
	for n := range s.Partitions {
		all.partitions = append(all.partitions, n)
	}
	for ctx.Err() == nil {
		s.listen(ctx, all)
		pause(ctx, listenPause)
	}
}

// holder is a server that holds partitions.
type holder struct {
	client     redis.UniversalClient
	number     serverNumber
	partitions []int
	// held returns the partitions that the server itself reports to hold; nil: it holds all.
	held func(context.Context) []int
}

// listen passes hints on until the subscription ends, is silent, or the context ends.
func (s *Store) listen(ctx context.Context, h holder) {
	ctx, cancel := context.WithCancel(ctx)
	l := listener{Store: s, holder: h, began: time.Now()} //nolint:forbidigo // it measures, and dates nothing
	defer l.trustNothing()
	defer s.looks.follow(false)
	var channels []string
	for _, n := range h.partitions {
		channels = append(channels, s.partitionAt(n).changed())
	}
	subscription := h.client.Subscribe(ctx, channels...)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() {
		defer subscription.Close() //nolint:errcheck // nothing is lost with a subscription
		l.probe(ctx, subscription)
	})
	for {
		received, err := subscription.Receive(ctx)
		if err != nil {
			return
		}
		switch m := received.(type) {
		case *redis.Message:
			s.pass(m.Channel, m.Payload)
		case *redis.Pong:
			l.probeAnswered(m.Payload)
		}
	}
}

// listener is one subscription.
type listener struct {
	*Store
	holder
	began      time.Time
	lastAnswer atomic.Int64         // nanoseconds since began, when the last answered probe was sent
	latest     atomic.Pointer[sign] // the newest probe
	sure       bool                 // a probe was answered
}

// sign is one probe.
type sign struct {
	asked time.Duration // since the listener began
	held  []int         // partitions that the server held after that
}

// probe sends probes until the context ends, or until the subscription has been silent for too long.
func (l *listener) probe(ctx context.Context, subscription *redis.PubSub) {
	for ctx.Err() == nil {
		asked := l.elapsed()
		if asked-time.Duration(l.lastAnswer.Load()) > silentFor {
			return
		}
		l.latest.Store(&sign{asked, l.lookAtPartitions(ctx)})
		_ = subscription.Ping(ctx, strconv.FormatInt(int64(asked), 10)) // the missing response shows the same
		pause(ctx, askEvery)
	}
}

// lookAtPartitions returns the partitions that the server holds, and ends the use of views of the
// others at once.
func (l *listener) lookAtPartitions(ctx context.Context) []int {
	if l.Readers.cache == nil || l.held == nil {
		return l.holder.partitions
	}
	held := l.held(ctx)
	for _, n := range l.holder.partitions {
		if !slices.Contains(held, n) {
			l.Readers.cache.distrust(n, l.number)
		}
	}
	return held
}

// probeAnswered handles the answer to a probe. Before the first one changes may have been missed.
func (l *listener) probeAnswered(answer string) {
	asked, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return
	}
	l.lastAnswer.Store(asked)
	kept := l.Readers.cache
	if !l.sure {
		l.sure = true
		l.subscriptions.Add(1)
		if len(l.holder.partitions) == l.Partitions { // otherwise another subscription covers the rest
			l.looks.follow(true)
		}
		if kept != nil {
			kept.forgetAll()
		}
	}
	q := l.latest.Load()
	if kept == nil || q == nil || int64(q.asked) != asked {
		return
	}
	for _, n := range q.held {
		kept.trustUntil(n, l.number, l.began.Add(q.asked+trustFor))
	}
}

// trustNothing ends the use of kept views until a probe of another subscription is answered.
func (l *listener) trustNothing() {
	l.subscriptions.Add(1)
	if kept := l.Readers.cache; kept != nil {
		for _, n := range l.holder.partitions {
			kept.distrust(n, l.number)
		}
	}
}

// Hints returns the number of the subscription that delivers hints, and whether its last probe was answered. While the
// number stays the same, Redis has ended no subscription and dropped no hint. This holds on a single server only: the
// servers of a cluster may lose messages between each other.
func (s *Store) Hints() (subscription int64, sure bool) {
	subscription = s.subscriptions.Load()
	kept := s.Readers.cache
	if _, several := s.Readers.client.(*redis.ClusterClient); several || kept == nil {
		return subscription, false
	}
	return subscription, kept.trusts(0, 0, kept.now()) // all partitions are on the one server
}

func (l *listener) elapsed() time.Duration {
	return time.Since(l.began) //nolint:forbidigo // it measures, and dates nothing
}

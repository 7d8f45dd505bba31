package store

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The subscription is probed, since a lost connection looks like a quiet one. Redis replies in order: after
// the reply to a probe, all hints published before the probe have arrived.
const (
	askEvery    = 500 * time.Millisecond
	silentFor   = 3 * time.Second        // after it without a reply the subscription is replaced
	listenPause = 100 * time.Millisecond // before a new one
	// trustFor is how long after an answered probe kept views are served. Another process's change is served
	// at the latest that long after its acknowledgement.
	trustFor = 1500 * time.Millisecond
)

// Listen passes on hints until the context ends, from one subscription after the other. go-redis does not
// cancel a handshake, so the end may take 5 s if Redis is unreachable.
func (s *Store) Listen(ctx context.Context) {
	for ctx.Err() == nil {
		s.listen(ctx)
		pause(ctx, listenPause)
	}
}

// listen passes hints on until the subscription ends, is silent, or the context ends.
func (s *Store) listen(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	l := listener{Store: s, began: time.Now()} //nolint:forbidigo // it measures, and dates nothing
	defer l.trustNothing()
	defer s.looks.follow(false)
	var channels []string
	for _, part := range s.partitions() {
		channels = append(channels, part.changed())
	}
	subscription := s.redis.Subscribe(ctx, channels...)
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
			l.answered(m.Payload)
		}
	}
}

// listener is one subscription.
type listener struct {
	*Store
	began      time.Time
	lastAnswer atomic.Int64 // nanoseconds since began; time of the last answered probe
	sure       bool         // a question was answered
}

// probe sends probes until the context ends, or until the subscription has been silent for too long.
func (l *listener) probe(ctx context.Context, subscription *redis.PubSub) {
	for ctx.Err() == nil {
		asked := l.elapsed()
		if asked-time.Duration(l.lastAnswer.Load()) > silentFor {
			return
		}
		_ = subscription.Ping(ctx, strconv.FormatInt(int64(asked), 10)) // the silence after it says the same
		pause(ctx, askEvery)
	}
}

// answered records the reply to a probe. Before the first one, changes may have been missed.
func (l *listener) answered(question string) {
	asked, err := strconv.ParseInt(question, 10, 64)
	if err != nil {
		return
	}
	l.lastAnswer.Store(asked)
	kept := l.Readers.cache
	if !l.sure {
		l.sure = true
		l.subscriptions.Add(1)
		l.looks.follow(true)
		if kept != nil {
			kept.forgetAll()
		}
	}
	if kept == nil {
		return
	}
	kept.trustUntil(l.began.Add(time.Duration(asked) + trustFor))
}

// trustNothing ends the use of kept views, until another subscription is answered.
func (l *listener) trustNothing() {
	l.subscriptions.Add(1)
	if kept := l.Readers.cache; kept != nil {
		kept.trustUntil(time.Time{})
	}
}

// Hints numbers the subscription on which hints come, and reports whether it was alive a moment ago. As long as the
// number stays the same, Redis has ended no subscription, and dropped no hint. That is so on a single server only: the
// servers of a cluster may lose what they pass on to each other.
func (s *Store) Hints() (subscription int64, sure bool) {
	subscription = s.subscriptions.Load()
	kept := s.Readers.cache
	return subscription, kept != nil && kept.isTrusted(kept.now())
}

func (l *listener) elapsed() time.Duration {
	return time.Since(l.began) //nolint:forbidigo // it measures, and dates nothing
}

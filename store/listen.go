package store

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The subscription is asked for a sign of life, since a connection that is cut off looks like one on
// which nothing happens. Redis answers in the order of what it sends: with the answer all hints have
// come that were published before the question.
const (
	askEvery    = 500 * time.Millisecond
	silentFor   = 3 * time.Second        // without an answer the subscription is given up for a new one
	listenPause = 100 * time.Millisecond // before a new one
	// trustFor is how long after a question that was answered kept views are served. Another process's
	// change is served at the latest so long after it was acknowledged.
	trustFor = 1500 * time.Millisecond
)

// Listen passes hints on until the context ends, on one subscription after the other. go-redis does
// not break off a handshake, so that the end may take as long as one (5 s) where Redis does not
// answer.
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
		l.ask(ctx, subscription)
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
	lastAnswer atomic.Int64 // nanoseconds since began, when the last question that was answered was asked
	sure       bool         // a question was answered
}

// ask asks for a sign of life until the context ends, or the subscription has been silent for too long.
func (l *listener) ask(ctx context.Context, subscription *redis.PubSub) {
	for ctx.Err() == nil {
		asked := l.elapsed()
		if asked-time.Duration(l.lastAnswer.Load()) > silentFor {
			return
		}
		_ = subscription.Ping(ctx, strconv.FormatInt(int64(asked), 10)) // the silence after it says the same
		pause(ctx, askEvery)
	}
}

// answered notes the answer to a question. Before the first one changes may have been missed.
func (l *listener) answered(question string) {
	asked, err := strconv.ParseInt(question, 10, 64)
	if err != nil {
		return
	}
	l.lastAnswer.Store(asked)
	kept := l.Readers.cache
	if kept == nil {
		return
	}
	if !l.sure {
		l.sure = true
		kept.forgetAll()
	}
	kept.trustUntil(l.began.Add(time.Duration(asked) + trustFor))
}

// trustNothing ends the use of kept views, until another subscription is answered.
func (l *listener) trustNothing() {
	if kept := l.Readers.cache; kept != nil {
		kept.trustUntil(time.Time{})
	}
}

func (l *listener) elapsed() time.Duration {
	return time.Since(l.began) //nolint:forbidigo // it measures, and dates nothing
}

package store_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// calls is every method of the store that sends a command to Redis.
func calls(s *store.Store) map[string]func(context.Context) error {
	second := func(_ any, err error) error { return err }
	third := func(_, _ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"AllowRead":     func(ctx context.Context) error { return second(s.AllowRead(ctx, 5)) },
		"AllowLookup":   func(ctx context.Context) error { return second(s.AllowLookup(ctx, 5)) },
		"NoteUnknown":   func(ctx context.Context) error { return s.NoteUnknown(ctx, "pi_1") },
		"ClockAhead":    func(ctx context.Context) error { return second(s.ClockAhead(ctx)) },
		"IsUnknown":     func(ctx context.Context) error { return second(s.IsUnknown(ctx, "pi_1")) },
		"BeginRebuild":  func(ctx context.Context) error { return second(s.BeginRebuild(ctx, store.Identity{})) },
		"Check":         func(ctx context.Context) error { return second(s.Check(ctx, store.Identity{})) },
		"DropRead":      func(ctx context.Context) error { return s.DropRead(ctx, "pi_1") },
		"DropRestore":   func(ctx context.Context) error { return s.DropRestore(ctx, "pi_1") },
		"FinishRebuild": func(ctx context.Context) error { return s.FinishRebuild(ctx) },
		"GiveBackLease": func(ctx context.Context) error { return s.GiveBackLease(ctx, "nets", "me") },
		"AskForPass": func(ctx context.Context) error {
			return second(s.AskForPass(ctx, payment.PassRequest{ID: "a"}))
		},
		"WithdrawPass": func(ctx context.Context) error { return s.WithdrawPass(ctx, "a") },
		"TakePass":     func(ctx context.Context) error { return third(s.TakePass(ctx, "a")) },
		"NotePass": func(ctx context.Context) error {
			return second(s.NotePass(ctx, "a", "b", true, payment.PassResult{}))
		},
		"LoadOrderEvents": func(ctx context.Context) error {
			return second(s.LoadOrderEvents(ctx, payment.Order{ID: "o-1"}))
		},
		"LoadDeliveries": func(ctx context.Context) error {
			return second(s.LoadDeliveries(ctx, "e", "o-1", nil))
		},
		"LeaseHolder": func(ctx context.Context) error { return second(s.LeaseHolder(ctx, "nets")) },
		"LoadCatchUp": func(ctx context.Context) error {
			_, _, err := s.LoadCatchUp(ctx)
			return err
		},
		"ListOrders": func(ctx context.Context) error {
			return second(s.ListOrders(ctx, payment.OrderQuery{Limit: 10}))
		},
		"PruneIndex": func(ctx context.Context) error { return second(s.PruneIndex(ctx)) },
		"LoadEvents": func(ctx context.Context) error {
			return second(s.LoadEvents(ctx, payment.FeedQuery{Limit: 10}))
		},
		"DisablePushes": func(ctx context.Context) error {
			return second(s.DisablePushes(ctx, "e", push.DisabledGone))
		},
		"EnablePushes": func(ctx context.Context) error { return second(s.EnablePushes(ctx, "e")) },
		"FinishPushes": func(ctx context.Context) error { return s.FinishPushes(ctx, "e", []push.Attempt{{}}) },
		"RetryPush":    func(ctx context.Context) error { return s.RetryPush(ctx, "e", push.Attempt{}, 0, false) },
		"OpenCircuit":  func(ctx context.Context) error { return third(s.OpenCircuit(ctx, "e", push.Pauses{}, 0)) },
		"CloseCircuit": func(ctx context.Context) error { return second(s.CloseCircuit(ctx, "e")) },
		"TakeProbe":    func(ctx context.Context) error { return third(s.TakeProbe(ctx, "e", time.Second)) },
		"DelayProbe":   func(ctx context.Context) error { return second(s.DelayProbe(ctx, "e", push.Pauses{}, 0)) },
		"LoadPushLog":  func(ctx context.Context) error { return second(s.LoadPushLog(ctx, "e", 10)) },
		"Redrive":      func(ctx context.Context) error { return second(s.Redrive(ctx, "e", "")) },

		"DeadLetterPush":     func(ctx context.Context) error { return s.DeadLetterPush(ctx, "e", push.Attempt{}) },
		"LoadDeadLetters":    func(ctx context.Context) error { return second(s.LoadDeadLetters(ctx, "e")) },
		"PullRetriesForward": func(ctx context.Context) error { return second(s.PullRetriesForward(ctx, "e")) },
		"RegisterEndpoint":   func(ctx context.Context) error { return s.RegisterEndpoint(ctx, "e") },
		"WantRead":           func(ctx context.Context) error { return second(s.WantRead(ctx, "pi_1")) },
		"LoadHistory": func(ctx context.Context) error {
			return second(s.LoadHistory(ctx, "pi_1"))
		},
		"LoadOrder": func(ctx context.Context) error {
			_, _, err := s.LoadOrder(ctx, payment.Ref{Order: "o-1"})
			return err
		},
		"FindOrder": func(ctx context.Context) error {
			_, _, err := s.FindOrder(ctx, "pi_1")
			return err
		},
		"LoadViews": func(ctx context.Context) error {
			return second(s.LoadViews(ctx, "o-1", []payment.ID{"pi_1"}))
		},
		"SavePointer":   func(ctx context.Context) error { return s.SavePointer(ctx, "pi_1", "o-1", time.Unix(1, 0)) },
		"Discard":       func(ctx context.Context) error { return second(s.Discard(ctx)) },
		"NoteRetention": func(ctx context.Context) error { return second(s.NoteRetention(ctx)) },
		"TakeOrders":    func(ctx context.Context) error { return second(s.TakeOrders(ctx, 10, time.Minute)) },
		"EndWantedRead": func(ctx context.Context) error { return s.EndWantedRead(ctx, "pi_1", "o-1") },
		"DropOrder":     func(ctx context.Context) error { return s.DropOrder(ctx, "o-1") },
		"LoadView":      func(ctx context.Context) error { return second(s.LoadView(ctx, "pi_1")) },
		"Mark":          func(ctx context.Context) error { return s.Mark(ctx, store.Identity{}) },
		"Ping":          s.Ping,
		"Quarantine":    func(ctx context.Context) error { return s.Quarantine(ctx, payment.StripeEvent{}, nil) },
		"ReadsWithin":   func(ctx context.Context) error { return second(s.ReadsWithin(ctx, time.Minute)) },
		"ReadsDue":      func(ctx context.Context) error { return second(s.ReadsDue(ctx)) },
		"Remember":      func(ctx context.Context) error { return s.Remember(ctx, "acct_1") },
		"SaveCatchUp":   func(ctx context.Context) error { return s.SaveCatchUp(ctx, time.Unix(1, 0)) },
		"SaveOrder": func(ctx context.Context) error {
			return second(s.SaveOrder(ctx, payment.Order{ID: "o-1"}, payment.Changes{}))
		},
		"LoadPushes":  func(ctx context.Context) error { return second(s.LoadPushes(ctx, "e")) },
		"LoadBacklog": func(ctx context.Context) error { return second(s.LoadBacklog(ctx, 1)) },
		"Replay": func(ctx context.Context) error {
			_, _, _, err := s.Replay(ctx, nil, "", "")
			return err
		},
		"ForgetEvents": func(ctx context.Context) error {
			return second(s.ForgetEvents(ctx, payment.Order{ID: "o-1", Forgotten: 1}))
		},
		"PadReads": func(ctx context.Context) error { return s.PadReads(ctx, "pi_1", 0) },
		"TakeQuota": func(ctx context.Context) error {
			_, _, err := s.TakeQuota(ctx, "service:shop", 5, time.Second)
			return err
		},
		"TakeLease":    func(ctx context.Context) error { return second(s.TakeLease(ctx, "nets", "me", time.Second)) },
		"TakeReads":    func(ctx context.Context) error { return second(s.TakeReads(ctx, 10, time.Minute)) },
		"TakeRestores": func(ctx context.Context) error { return second(s.TakeRestores(ctx, true, 10, time.Minute)) },
		"TakeSweeps":   func(ctx context.Context) error { return second(s.TakeSweeps(ctx, 10, time.Minute)) },
		"WantRestore":  func(ctx context.Context) error { return s.WantRestore(ctx, "pi_1", "address", false) },
	}
}

// TestTableOfCallsIsComplete keeps the table above complete: a method that returns an error has to
// be in it.
func TestTableOfCallsIsComplete(t *testing.T) {
	known := calls(nil)
	kind := reflect.TypeFor[*store.Store]()
	for method := range kind.Methods() {
		results := method.Type.NumOut()
		fails := results > 0 && method.Type.Out(results-1) == reflect.TypeFor[error]()
		if _, listed := known[method.Name]; listed != fails {
			t.Errorf("%s: listed %t, returns an error %t", method.Name, listed, fails)
		}
	}
}

// silence listens and never answers: the connection is made, and every command waits.
func silence(t *testing.T) (url string, accepted <-chan struct{}) {
	t.Helper()
	first := make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if n == 0 {
				close(first)
			}
			t.Cleanup(func() { conn.Close() })
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return "redis://" + listener.Addr().String(), first
}

// TestCallsEndWhileRedisIsUnreachable has a Redis that does not answer. Every call ends with its
// context's deadline, and with an error that callers may see.
func TestCallsEndWhileRedisIsUnreachable(t *testing.T) {
	const deadline = 300 * time.Millisecond
	killed := storetest.NewServer(t)
	killed.Kill()
	hung := storetest.NewServer(t)
	silent, _ := silence(t)
	urls := map[string]string{"silent": silent, "refusing": killed.URL()}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) { allFail(t, store.New(connect(t, url), options), deadline) })
	}
	t.Run("gone in the middle", func(t *testing.T) {
		s := store.New(connect(t, hung.URL()), options)
		if err := s.Mark(t.Context(), store.Identity{}); err != nil {
			t.Fatal(err)
		}
		hung.Kill()
		allFail(t, s, deadline)
		hung.Restart()
		wait.UntilTrue(t, "the store to come back", func() bool { return s.Ping(t.Context()) == nil })
	})
}

func allFail(t *testing.T, s *store.Store, deadline time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for name, ask := range calls(s) {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			err := ask(ctx)
			var e *payment.Error
			if !errors.As(err, &e) || e.Code != payment.CodeStoreUnavailable || e.RetryAfter == 0 {
				t.Errorf("%s: got %v, want %s", name, err, payment.CodeStoreUnavailable)
			}
		})
	}
	all.Wait()
}

// TestListenEnds has a Redis that does not answer, or is not there: the end of the context has to
// be enough.
func TestListenEnds(t *testing.T) {
	silent, accepted := silence(t)
	killed := storetest.NewServer(t)
	killed.Kill()
	answering := connect(t, storetest.RedisServer(t))
	tests := map[string]struct {
		client redis.UniversalClient
		ready  func() bool
	}{
		"silent": {connect(t, silent), func() bool {
			select {
			case <-accepted:
				return true
			default:
				return false
			}
		}},
		"refusing": {connect(t, killed.URL()), func() bool { return true }},
		"answering": {answering, func() bool {
			return len(answering.PubSubChannels(t.Context(), "*").Val()) == options.Partitions
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := store.New(test.client, options)
			test.ready()
			before := goleak.IgnoreCurrent()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); s.Listen(ctx) }()
			wait.UntilTrue(t, "the connection", test.ready)
			cancel()
			<-ended // or the test runs out of time
			goleak.VerifyNone(t, before)
		})
	}
}

// TestListenReconnects has a Redis that comes late, cuts the subscription off, and starts again.
// Hints of that moment are lost, later ones come.
func TestListenReconnects(t *testing.T) {
	server := storetest.NewServer(t)
	client := connect(t, server.URL())
	s := store.New(client, options)
	server.Kill()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Listen(ctx) })
	defer all.Wait()
	defer cancel()
	hints, stop := s.WatchOrder("o_1")
	defer stop()
	hinted := func() bool {
		err := s.Mark(ctx, store.Identity{}) // the server keeps nothing
		if err == nil {
			_, _, err = write(ctx, s, "pi_1")
		}
		select {
		case <-hints:
			return err == nil
		default:
			return false
		}
	}
	server.Restart()
	wait.UntilTrue(t, "the first hint", hinted)
	for range 3 {
		wait.UntilTrue(t, "a subscription to cut", func() bool {
			n, err := client.ClientKillByFilter(ctx, "TYPE", "pubsub").Result()
			return n == 1 && err == nil
		})
		for len(hints) > 0 {
			<-hints
		}
		wait.UntilTrue(t, "a hint after the cut", hinted)
	}
	server.Kill()
	for len(hints) > 0 {
		<-hints
	}
	server.Restart()
	wait.UntilTrue(t, "a hint after a new start", hinted)
}

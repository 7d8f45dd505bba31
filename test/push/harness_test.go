// Package push_test pushes events over real HTTP, from streams in a real redis-server, with several relays at
// once.
package push_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"kasse/service/payment"
	"kasse/service/push"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/internal/testenv"
	"kasse/test/logbuffer"
	"kasse/test/wait"
)

func TestMain(m *testing.M) {
	runRole()
	goleak.VerifyTestMain(m)
}

var (
	options = store.Options{Partitions: 4, Retention: 720 * time.Hour, EventRetention: 720 * time.Hour}
	secret  = payment.Secret("whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("s"), 32)))
)

// pushEnv is a Redis with streams, and relays that push from them.
type pushEnv struct {
	t      testing.TB
	redis  string
	client redis.UniversalClient
	store  *store.Store
	logs   *logbuffer.Buffer
}

func newPushEnv(t testing.TB) *pushEnv {
	t.Helper()
	w := &pushEnv{t: t, redis: storetest.RedisServer(t), logs: &logbuffer.Buffer{}}
	w.client, w.store = w.connect()
	if err := w.store.Mark(t.Context(), store.Identity{Service: "kasse"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *pushEnv) connect() (redis.UniversalClient, *store.Store) {
	w.t.Helper()
	client, err := store.Connect("single", w.redis)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { client.Close() })
	return client, store.New(client, options)
}

// relay starts a relay, as one replica does. It runs until stop is called.
func (w *pushEnv) relay(destinations ...push.Destination) (stop func()) {
	w.t.Helper()
	_, own := w.connect()
	log := slog.New(slog.NewTextHandler(w.logs, nil))
	r := push.NewRelay(own, destinations, push.RelayOptions{Logger: log, Now: time.Now})
	if err := r.Register(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { own.Listen(ctx) })
	running.Go(func() { r.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	w.t.Cleanup(stop)
	return stop
}

func (w *pushEnv) endpoint(url string, types ...string) *push.Endpoint {
	w.t.Helper()
	e, err := push.New(push.Options{
		URL: payment.Secret(url), Secrets: []push.Secret{secret}, Types: types, AllowPrivate: true, Now: time.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(e.Close)
	return e
}

// appendEvents appends the given number of events for each payment and returns their ids.
func (w *pushEnv) appendEvents(payments, each int) (ids []string) {
	w.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range payments {
		all.Go(func() {
			for range each {
				id, err := testenv.WriteEvent(w.t.Context(), w.store, payment.ID(fmt.Sprintf("pi_%d", i)))
				if err != nil {
					w.t.Error(err)
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return ids
}

// appendEvent appends one event of the payment with this number and returns its id.
func (w *pushEnv) appendEvent(number int) string {
	w.t.Helper()
	id, err := testenv.WriteEvent(w.t.Context(), w.store, payment.ID(fmt.Sprintf("pi_%d", number)))
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// receiver is a backend's endpoint that records the pushes in their order.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	tries  map[string]int // by event id
	order  []string       // first tries, in order of arrival
	answer func(id string, try int, r *http.Request) int
}

func newReceiver(t testing.TB, answer func(id string, try int, r *http.Request) int) *receiver {
	t.Helper()
	s := &receiver{tries: map[string]int{}, answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func accepting(string, int, *http.Request) int { return http.StatusOK }

func (s *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var event struct{ ID string }
	_ = json.Unmarshal(body, &event)
	if event.ID == "" || event.ID != r.Header.Get("webhook-id") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.tries[event.ID]++
	try := s.tries[event.ID]
	if try == 1 {
		s.order = append(s.order, event.ID)
	}
	s.mu.Unlock()
	w.WriteHeader(s.answer(event.ID, try, r))
}

func (s *receiver) triesOf(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries[id]
}

func (s *receiver) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries)
}

// awaitAll waits until every event has been pushed.
func (s *receiver) awaitAll(t testing.TB, ids []string) {
	t.Helper()
	wait.Until(t, "all events", func() error {
		missing := 0
		for _, id := range ids {
			if s.triesOf(id) == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are missing", missing, len(ids))
		}
		return nil
	})
}

// requireOrder fails the test if an event of a payment was first pushed after a newer one.
func (s *receiver) requireOrder(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := map[string]string{}
	for _, id := range s.order {
		payment, version, _ := strings.Cut(id, ".")
		if version <= newest[payment] {
			t.Errorf("%s comes after version %s", id, newest[payment])
		}
		newest[payment] = version
	}
}

// awaitQueues waits until the endpoint has no events waiting or in flight, and the given numbers of retries and dead
// letters.
func (w *pushEnv) awaitQueues(e *push.Endpoint, retries, dead int64) {
	w.t.Helper()
	wait.Until(w.t, "the queues of "+e.Name(), func() error {
		s, err := w.store.LoadPushes(w.t.Context(), e.ID())
		if err == nil && (s.Waiting != 0 || s.Pending != 0 || s.Retries != retries || s.Dead != dead) {
			err = fmt.Errorf("it is %+v", s)
		}
		return err
	})
}

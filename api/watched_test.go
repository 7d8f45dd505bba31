package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"kasse/api"
	"kasse/service"
	"kasse/service/stripe/stripesim"
)

// watched is an environment without background work, so that every Redis command belongs to a request.
type watched struct {
	*apiEnv
	mu       sync.Mutex
	commands []string // without the commands of opening a connection
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &apiEnv{
		t: t, redis: miniredis.RunT(t), stripe: stripesim.New(stripesim.Options{Seed: 1}), logs: &lines{},
		client: checkedClient(t),
	}
	t.Cleanup(w.stripe.Close)
	w.service = service.New(w.newStore("redis://"+w.redis.Addr()+"/0"), w.newGateway(stripeTimeout), service.Options{
		Name: "kasse", PublishableKey: publishableKey, StripeTimeout: stripeTimeout, StripeReads: 100,
		MaxFailures: 10, Logger: slog.New(slog.DiscardHandler),
	})
	w.api = httptest.NewServer(api.New(w.service, w.options(slog.New(slog.NewJSONHandler(w.logs, nil)))))
	t.Cleanup(w.api.Close)
	watch := &watched{apiEnv: w}
	w.redis.Server().SetPreHook(func(_ *server.Peer, command string, _ ...string) bool {
		watch.mu.Lock()
		defer watch.mu.Unlock()
		if command = strings.ToUpper(command); !slices.Contains(
			[]string{"HELLO", "CLIENT", "PING", "SUBSCRIBE", "UNSUBSCRIBE"}, command,
		) {
			watch.commands = append(watch.commands, command)
		}
		return false
	})
	return watch
}

// sends returns the answer, and the commands that it cost.
func (w *watched) sends(r request) (reply, []string) {
	w.t.Helper()
	w.mu.Lock()
	w.commands = nil
	w.mu.Unlock()
	answer := w.send(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	return answer, w.commands
}

// redisWork sends a request that gets 404, twice, and returns how often it has called each command of Redis.
// Scripts are counted with what they call.
func (w *apiEnv) redisWork(r request) map[string]int {
	w.t.Helper()
	w.send(r).says(w.t, http.StatusNotFound, "not_found") // Redis has to learn the scripts
	before := w.commandCalls()
	w.send(r).says(w.t, http.StatusNotFound, "not_found")
	work := map[string]int{}
	for command, calls := range w.commandCalls() {
		if made := calls - before[command]; made > 0 {
			work[command] = made
		}
	}
	for _, own := range []string{"info", "ping", "hello", "client|setinfo", "client|tracking", "subscribe"} {
		delete(work, own)
	}
	return work
}

// commandCalls returns how often Redis was sent each command.
func (w *apiEnv) commandCalls() map[string]int {
	w.t.Helper()
	text, err := w.keys.Info(w.t.Context(), "commandstats").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]int{}
	for line := range strings.Lines(text) {
		var calls int
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		if _, err := fmt.Sscanf(rest, "calls=%d", &calls); err == nil {
			all[name] = calls
		}
	}
	return all
}

// forgetQuestions removes the permitted traces of a question: that there was one, and the queued restore.
func (w *watched) forgetQuestions() {
	for _, key := range w.redis.Keys() {
		if strings.Contains(key, ":restore") || strings.HasSuffix(key, ":masked") {
			w.redis.Del(key)
		}
	}
}

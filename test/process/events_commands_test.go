package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// endpointTest is a server with one endpoint, which the test can make fail. The test runs the
// commands that operate the endpoint.
type endpointTest struct {
	*processEnv
	server   *process
	settings map[string]string
	client   *redis.Client
	down     atomic.Bool // the endpoint answers 502
	mu       sync.Mutex
	accepted map[string]int // by event id
	id       string         // of the endpoint
}

// newEndpointTest starts the server with an endpoint for the types; empty: for all.
func newEndpointTest(t *testing.T, types string) *endpointTest {
	t.Helper()
	s := &endpointTest{processEnv: newEnv(t, stripesim.Options{}), accepted: map[string]int{}}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.accepted[r.Header.Get("Webhook-Id")]++
	}))
	t.Cleanup(receiver.Close)
	s.settings = map[string]string{
		"EVENT_ENDPOINTS": receiver.URL + "/hunter2=" + endpointSecret + types, "EVENT_ALLOW_PRIVATE": "true",
	}
	s.client = s.openRedis()
	s.server = s.serve(1, s.settings)[0]
	s.id = strings.Fields(s.events(0, "endpoints"))[0]
	return s
}

// events runs kasse events and returns what it printed to stdout and stderr.
func (s *endpointTest) events(code int, args ...string) string {
	s.t.Helper()
	p := s.command(s.settings, append([]string{"events"}, args...)...)
	text := p.stdout.String() + p.stderr.String()
	what := fmt.Sprintf("exit code of kasse events %v, which printed %s", args, text)
	expect(s.t, what, p.command.ProcessState.ExitCode(), code)
	if strings.Contains(text, "hunter2") {
		s.t.Errorf("kasse events %v prints the endpoint's path, which may be a secret: %s", args, text)
	}
	return text
}

// times returns how often the endpoint has accepted an event.
func (s *endpointTest) times(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted[id]
}

// awaitAccepted waits until the endpoint has accepted an event this many times.
func (s *endpointTest) awaitAccepted(id string, times int) {
	s.t.Helper()
	wait.UntilTrue(s.t, fmt.Sprintf("delivery %d of %s", times, id), func() bool { return s.times(id) == times })
}

// exhaust makes the next try of every waiting event its last one.
func (s *endpointTest) exhaust() {
	s.t.Helper()
	for _, key := range s.client.Keys(s.t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, member := range s.client.ZRange(s.t.Context(), key, 0, -1).Val() {
			entry, _, _ := strings.Cut(member, " ")
			s.client.ZRem(s.t.Context(), key, member)
			s.client.ZAdd(s.t.Context(), key, redis.Z{Member: entry + " 12 0"})
		}
	}
}

// TestEndpointCommands: an operator disables and enables an endpoint, lists deliveries and dead
// letters, and redrives them.
func TestEndpointCommands(t *testing.T) {
	t.Parallel()
	s := newEndpointTest(t, "")
	expectContains(t, s.events(0, "dead"), "No event was given up.")
	expectContains(t, s.events(0, "log"), "Nothing was sent")
	expectContains(t, s.events(0, "disable", s.id), "is disabled; its events wait")
	expectContains(t, s.events(0, "disable", s.id), "was disabled before")
	expectContains(t, s.events(0, "endpoints"), "disabled since 20", "by hand")
	waiting := s.writeEvents(1, 3)
	expectContains(t, s.events(0, "endpoints"), "0 under way, 0 to be tried again, 0 given up; 3 not begun")
	expectContains(t, s.events(0, "enable", s.id), "is enabled")
	expectContains(t, s.events(0, "enable", s.id), "was not disabled")
	for _, id := range waiting {
		s.awaitAccepted(id, 1)
	}
	s.down.Store(true)
	lost := s.writeEvents(2, 1)[0]
	wait.UntilTrue(t, "a waiting retry", func() bool {
		return strings.Contains(s.events(0, "endpoints"), "1 to be tried again")
	})
	s.exhaust()
	wait.UntilTrue(t, "the end of the retries", func() bool {
		return strings.Contains(s.events(0, "endpoints"), "1 given up")
	})
	expectContains(t, s.events(0, "dead"), lost, "order.updated", "13", "answered 502")
	expectContains(t, s.events(0, "dead", "-endpoint", s.id), lost)
	s.down.Store(false)
	expectContains(t, s.events(1, "redrive", "-id", "pi_1.1"), "no waiting or dead event")
	output := s.events(0, "redrive", "-endpoint", s.id, "-id", lost)
	expectContains(t, output, "0 waiting and 1 dead events will be sent")
	s.awaitAccepted(lost, 1)
	awaitIdle(s.processEnv, s.settings)
	log := s.events(0, "log", "-endpoint", s.id)
	line := regexp.MustCompile(`(?m)^20\S+Z +(\d+) +\d+ ms +(\d+) +(\S+)`)
	var got []string
	for _, match := range line.FindAllStringSubmatch(log, 2+1) {
		got = append(got, match[1]+" "+match[2]+" "+match[3])
	}
	if want := []string{"200 1 " + lost, "502 13 " + lost, "502 1 " + lost}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log of deliveries begins with %q, want %q", got, want)
	}
}

// TestReplayCommand: kasse events endpoints counts replayed events as waiting. An unknown type is
// an error, and commands about one endpoint need -endpoint if there are several.
func TestReplayCommand(t *testing.T) {
	t.Parallel()
	s := newEndpointTest(t, "")
	ids := s.writeEvents(1, 10)
	awaitIdle(s.processEnv, s.settings)
	expectContains(t, s.events(2, "replay", "-type", "order.payed"), "-type order.payed is not an event type")
	expectContains(t, s.events(0, "disable", s.id), "is disabled")
	output := s.events(0, "replay", "-type", "order.updated")
	expectContains(t, output, "10 events will be pushed again to 1 endpoint.")
	list := s.events(0, "endpoints")
	expectContains(t, list, "0 under way, 10 to be tried again, 0 given up; 0 not begun, 10 to be tried now")
	s.events(0, "enable", s.id)
	for _, id := range ids {
		s.awaitAccepted(id, 2)
	}
	awaitIdle(s.processEnv, s.settings)

	first := s.settings["EVENT_ENDPOINTS"]
	s.settings["EVENT_ENDPOINTS"] += "," + strings.Replace(first, "/hunter2", "/hunter2/second", 1)
	expectContains(t, s.events(1, "log"), "choose one with -endpoint")
	expectContains(t, s.events(0, "replay"), "10 events will be pushed again to 2 endpoints")
	list = s.events(0, "endpoints")
	expectContains(
		t, list, "not registered: no server has run with this endpoint yet; 0 under way, 10 to be tried again",
	)
	expectContains(t, s.events(1, "log", "-endpoint", "unknown"), "no endpoint of EVENT_ENDPOINTS has this id")
	expectContains(t, s.events(2, "everything"), "unknown command")
	expectContains(t, s.events(2, "log", "-id", "x"), "--help lists the flags")
	expectContains(t, s.events(2, "enable"), "an argument is missing")
}

// TestEndpointWithTypes: an endpoint gets the events of its types. Those of other types count as
// delivered.
func TestEndpointWithTypes(t *testing.T) {
	t.Parallel()
	s := newEndpointTest(t, "#order.paid+order.refunded")
	s.writeEvents(1, 5) // order.updated
	awaitIdle(s.processEnv, s.settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	expect(t, "number of accepted events", len(s.accepted), 0)
}

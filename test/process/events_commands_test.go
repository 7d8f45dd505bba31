package process_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"kasse/service/stripe/stripesim"
	"kasse/test/wait"
)

// endpointStand is a server with one endpoint that can be made to fail, and the commands that
// operate it.
type endpointStand struct {
	*processEnv
	server   *process
	settings map[string]string
	client   *redis.Client
	down     atomic.Bool
	mu       sync.Mutex
	accepted map[string]int
	id       string
}

func newEndpointStand(t *testing.T, types string) *endpointStand {
	t.Helper()
	s := &endpointStand{processEnv: newEnv(t, stripesim.Options{}), accepted: map[string]int{}}
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
func (s *endpointStand) events(code int, args ...string) string {
	s.t.Helper()
	p := s.command(s.settings, append([]string{"events"}, args...)...)
	text := p.stdout.String() + p.stderr.String()
	expect(s.t, fmt.Sprintf("exit code of %v, which printed %s", args, text), p.command.ProcessState.ExitCode(), code)
	if strings.Contains(text, "hunter2") {
		s.t.Errorf("%v prints the endpoint's path", args)
	}
	return text
}

// has fails the test unless the text holds each of the others.
func (s *endpointStand) has(text string, wanted ...string) {
	s.t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			s.t.Errorf("%q is not in %s", want, text)
		}
	}
}

func (s *endpointStand) times(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted[id]
}

func (s *endpointStand) awaitAccepted(id string, times int) {
	s.t.Helper()
	wait.Until(s.t, id, func() error { return yet(s.times(id) == times) })
}

// exhaust makes the next try of every waiting retry its last one.
func (s *endpointStand) exhaust() {
	s.t.Helper()
	for _, key := range s.client.Keys(s.t.Context(), "kasse:{p*}:push:*:retries").Val() {
		for _, member := range s.client.ZRange(s.t.Context(), key, 0, -1).Val() {
			entry, _, _ := strings.Cut(member, " ")
			s.client.ZRem(s.t.Context(), key, member)
			s.client.ZAdd(s.t.Context(), key, redis.Z{Member: entry + " 12 0"})
		}
	}
}

// TestEndpointCommands: an operator disables and enables an endpoint, lists deliveries and dead letters, and
// redrives them.
func TestEndpointCommands(t *testing.T) {
	t.Parallel()
	s := newEndpointStand(t, "")
	s.has(s.events(0, "dead"), "No event was given up.")
	s.has(s.events(0, "log"), "Nothing was sent")
	s.has(s.events(0, "disable", s.id), "is disabled; its events wait")
	s.has(s.events(0, "disable", s.id), "was disabled before")
	s.has(s.events(0, "endpoints"), "disabled since 20", "by hand")
	waiting := s.writeEvents(1, 3)
	s.has(s.events(0, "endpoints"), "0 under way, 0 to be tried again, 0 given up; 3 not begun")
	s.has(s.events(0, "enable", s.id), "is enabled")
	s.has(s.events(0, "enable", s.id), "was not disabled")
	for _, id := range waiting {
		s.awaitAccepted(id, 1)
	}
	s.down.Store(true)
	lost := s.writeEvents(2, 1)[0]
	wait.Until(
		t, "a retry",
		func() error { return yet(strings.Contains(s.events(0, "endpoints"), "1 to be tried again")) },
	)
	s.exhaust()
	wait.Until(t, "the end", func() error { return yet(strings.Contains(s.events(0, "endpoints"), "1 given up")) })
	s.has(s.events(0, "dead"), lost, "order.updated", "13", "answered 502")
	s.has(s.events(0, "dead", "-endpoint", s.id), lost)
	s.down.Store(false)
	s.has(s.events(1, "redrive", "-id", "pi_1.1"), "no waiting or dead event")
	s.has(s.events(0, "redrive", "-endpoint", s.id, "-id", lost), "0 waiting and 1 dead events will be sent")
	s.awaitAccepted(lost, 1)
	awaitIdle(s.processEnv, s.settings)
	log := s.events(0, "log", "-endpoint", s.id)
	line := regexp.MustCompile(`(?m)^20\S+Z +(\d+) +\d+ ms +(\d+) +(\S+)`)
	var got []string
	for _, match := range line.FindAllStringSubmatch(log, 2+1) {
		got = append(got, match[1]+" "+match[2]+" "+match[3])
	}
	if want := []string{"200 1 " + lost, "502 13 " + lost, "502 1 " + lost}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log has %q first, want %q", got, want)
	}
}

// A replay counts as what it is, and a type that does not exist is a mistake. Several endpoints
// need a choice.
func TestReplayIsShown(t *testing.T) {
	t.Parallel()
	s := newEndpointStand(t, "")
	ids := s.writeEvents(1, 10)
	awaitIdle(s.processEnv, s.settings)
	s.has(s.events(2, "replay", "-type", "order.payed"), "-type order.payed is not an event type")
	s.has(s.events(0, "disable", s.id), "is disabled")
	s.has(s.events(0, "replay", "-type", "order.updated"), "10 events will be pushed again to 1 endpoint.")
	s.has(s.events(0, "endpoints"), "0 under way, 10 to be tried again, 0 given up; 0 not begun, 10 to be tried now")
	s.events(0, "enable", s.id)
	for _, id := range ids {
		s.awaitAccepted(id, 2)
	}
	awaitIdle(s.processEnv, s.settings)

	s.settings["EVENT_ENDPOINTS"] += "," + strings.Replace(
		s.settings["EVENT_ENDPOINTS"], "/hunter2", "/hunter2/second", 1,
	)
	s.has(s.events(1, "log"), "choose one with -endpoint")
	s.has(s.events(0, "replay"), "10 events will be pushed again to 2 endpoints")
	list := s.events(0, "endpoints")
	s.has(list, "not registered: no server has run with this endpoint yet; 0 under way, 10 to be tried again")
	s.has(s.events(1, "log", "-endpoint", "unknown"), "no endpoint of EVENT_ENDPOINTS has this id")
	s.has(s.events(2, "everything"), "unknown command")
	s.has(s.events(2, "log", "-id", "x"), "--help lists the flags")
	s.has(s.events(2, "enable"), "an argument is missing")
}

// An endpoint gets the types that it names; the others count as delivered.
func TestEndpointNamesTypes(t *testing.T) {
	t.Parallel()
	s := newEndpointStand(t, "#order.paid+order.refunded")
	s.writeEvents(1, 5) // order.updated
	awaitIdle(s.processEnv, s.settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	expect(t, "accepted events: "+strconv.Itoa(len(s.accepted)), len(s.accepted), 0)
}

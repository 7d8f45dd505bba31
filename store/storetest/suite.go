package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/store"
)

// Redis is a connection of the suite to a Redis, and its optimizations.
type Redis struct {
	redis.UniversalClient
	Readers      *store.Readers // nil: readers share the client
	AutoPipeline bool           // concurrent commands share a pipeline
}

// connector connects to an empty Redis until the end of the test.
type connector func(t testing.TB) Redis

// Run is the suite for every kind of Redis. Connect is called once or more in a test, each time for an empty
// Redis; one server may serve all tests, which run one after the other. Commands name keys of one partition
// only, so that the suite runs on a Redis Cluster unchanged.
func Run(t *testing.T, connect func(t testing.TB) Redis) {
	t.Helper()
	c := connector(connect)
	t.Run("orders", c.testOrders)
	t.Run("order loads", c.testOrderLoads)
	t.Run("many attempts", c.testManyAttempts)
	t.Run("order writes", c.testOrderWrites)
	t.Run("pointers", c.testPointers)
	t.Run("views", c.testViews)
	t.Run("foreign payments", c.testForeign)
	t.Run("unmarked", c.testUnmarked)
	t.Run("retention", c.testRetention)
	t.Run("corrupt", c.testCorrupt)
	t.Run("reads", c.testReads)
	t.Run("read budget", c.testBudget)
	t.Run("unknown payments", c.testUnknown)
	t.Run("sweeps", c.testSweeps)
	t.Run("passes", c.testPasses)
	t.Run("restores", c.testRestores)
	t.Run("attention", c.testAttention)
	t.Run("leases", c.testLeases)
	t.Run("catch-up", c.testCatchUp)
	t.Run("rebuild", c.testRebuild)
	t.Run("discard", c.testDiscard)
	t.Run("lowest retention", c.testLowestRetention)
	t.Run("quotas", c.testQuotas)
	t.Run("quarantine", c.testQuarantine)
	t.Run("watch", c.testWatch)
	t.Run("feed", c.testFeed)
	t.Run("feed filters", c.testFeedFilters)
	t.Run("cursor", c.testCursor)
	t.Run("index of orders", c.testIndex)
	t.Run("feed while writing", c.testFeedWhileWriting)
	t.Run("pushes", c.testPushes)
	t.Run("retries of pushes", c.testRetries)
	t.Run("circuits of pushes", c.testCircuit)
	t.Run("log of pushes", c.testPushLog)
	t.Run("redrive", c.testRedrive)
	t.Run("forget", c.testForget)
	t.Run("marks", c.testMarks)
	t.Run("other identities", c.testIdentities)
	t.Run("dump", c.testDump)
}

// waitLimit bounds every wait. A test takes that long only if it fails.
const waitLimit = 20 * time.Second

// partitions, retention and eventRetention are the defaults of the configuration.
const (
	partitions     = 16
	retention      = 13_200 * time.Hour
	eventRetention = 720 * time.Hour
)

var (
	options  = store.Options{Partitions: partitions, Retention: retention, EventRetention: eventRetention}
	identity = store.Identity{Account: "acct_1", Service: "kasse"}
)

// Must fails the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hasCode fails the test unless the error is one that callers may see, and has the code.
func hasCode(t testing.TB, err error, code payment.Code) *payment.Error {
	t.Helper()
	var e *payment.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
	return e
}

// unchanged fails the test if the dumps differ, and names the keys.
func unchanged(t testing.TB, before, after map[string]string) {
	t.Helper()
	for key, text := range after {
		if before[key] != text {
			t.Errorf("%s was %q, is %q", key, before[key], text)
		}
	}
	for key := range before {
		if _, there := after[key]; !there {
			t.Errorf("%s is gone", key)
		}
	}
}

// plain fails the test if a message has text that only programmers understand.
func plain(t testing.TB, message string) {
	t.Helper()
	for _, odd := range []string{"%!", "map[", "0x", "nil", "redis:", "{"} {
		if strings.Contains(message, odd) {
			t.Errorf("the message %q contains %q", message, odd)
		}
	}
}

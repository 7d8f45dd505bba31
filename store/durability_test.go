package store_test

import (
	"slices"
	"strings"
	"testing"

	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestDurability: DurabilityOf returns the durability of real servers with different settings, and their flaws.
func TestDurability(t *testing.T) {
	aof := []string{"--appendonly", "yes"}
	always := append(aof, "--appendfsync", "always")
	tests := map[string]struct {
		args  []string
		wait  int
		class string
		names []string // of the flaws; none: there is no flaw
	}{
		"default settings":  {nil, 0, "none", []string{"appendonly yes"}},
		"AOF, every second": {aof, 0, "every second", []string{"appendfsync always"}},
		"AOF, flushed by the system": {
			append(aof, "--appendfsync", "no"), 0, "none",
			[]string{"appendfsync always"},
		},
		"AOF, always": {always, 0, "every write", nil},
		"AOF, not during a rewrite": {
			append(always, "--no-appendfsync-on-rewrite", "yes"), 0, "every second",
			[]string{"no-appendfsync-on-rewrite no"},
		},
		"evicts": {
			append(always, "--maxmemory-policy", "allkeys-lru"), 0, "every write",
			[]string{"allkeys-lru", "noeviction"},
		},
		"CONFIG is refused": {
			append(always, "--rename-command", "CONFIG", ""), 0, "unknown",
			[]string{"CONFIG is refused"},
		},
		"CONFIG is refused, no AOF": {
			[]string{"--rename-command", "CONFIG", ""},
			0, "none",
			[]string{"appendonly yes"},
		},
		"waits for a replica": {always, 1, "every write + 1 replica", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			servers, err := store.Inspect(t.Context(), "single", storetest.RedisServer(t, test.args...))
			if err != nil || len(servers) != 1 {
				t.Fatalf("got %v, %v", servers, err)
			}
			s := servers[0]
			if s.Kind != "standalone" || !strings.HasPrefix(s.Version, "7.") || s.Used == 0 || s.MaxBytes != 0 ||
				s.Failing != "" {
				t.Errorf("got %+v", s)
			}
			d := store.DurabilityOf(servers, test.wait)
			if d.Class != test.class || d.Loses == "" || (len(d.Flaws) == 0) != (test.names == nil) {
				t.Errorf("got %+v, want %s", d, test.class)
			}
			for _, word := range test.names {
				if !strings.Contains(strings.Join(d.Flaws, "\n"), word) {
					t.Errorf("%q lacks %q", d.Flaws, word)
				}
			}
		})
	}
}

// TestDurabilityOfAll: of several servers the one with the worst durability counts.
func TestDurabilityOfAll(t *testing.T) {
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	tests := map[string]struct {
		url      func(testing.TB) string
		servers  int
		failover bool // with one replica that confirms, one that did not may be promoted
	}{
		"cluster": {func(t testing.TB) string {
			t.Helper()
			return storetest.NewCluster(t, 3, 1, always...).URL()
		}, 4, false},
		"sentinel": {func(t testing.TB) string {
			t.Helper()
			return storetest.NewSentinels(t, always...).URL()
		}, 3, true},
	}
	for mode, test := range tests {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url := test.url(t)
			if kind, err := store.Kind(t.Context(), mode, url); kind != mode || err != nil {
				t.Errorf("the mode is %q, %v; want %q", kind, err, mode)
			}
			servers := inspected(t, mode, url, test.servers)
			d := store.DurabilityOf(servers, 0)
			if d.Class != "every write" || len(d.Flaws) > 0 || d.Failover == "" ||
				!strings.Contains(d.Loses, d.Failover) {
				t.Errorf("got %+v", d)
			}
			replica := -1
			for i, s := range servers {
				if s.Replica {
					replica = i
				}
			}
			if replica < 0 {
				t.Fatal("there is no replica")
			}
			weak := connect(t, "redis://"+servers[replica].Address)
			if err := weak.ConfigSet(t.Context(), "appendfsync", "everysec").Err(); err != nil {
				t.Fatal(err)
			}
			d = store.DurabilityOf(inspected(t, mode, url, test.servers), 1)
			if (d.Failover != "") != test.failover {
				t.Errorf("with one replica that confirms: got %q", d.Failover)
			}
			if d.Class != "every second + 1 replica" || len(d.Flaws) != 1 || !strings.Contains(d.Flaws[0], "replica ") {
				t.Errorf("got %+v", d)
			}
		})
	}
}

// inspected returns the servers once they are as many as expected: each node of a cluster has to discover the replicas
// of the others first.
func inspected(t *testing.T, mode, url string, count int) (servers []store.Server) {
	t.Helper()
	wait.UntilTrue(t, "all servers", func() bool {
		var err error
		servers, err = store.Inspect(t.Context(), mode, url)
		return err == nil && len(servers) == count
	})
	return servers
}

// TestReplicaThatIsAway: a replica is stopped. Its master no longer lists it. A failover may still promote it once it
// is back, so it counts.
func TestReplicaThatIsAway(t *testing.T) {
	always := []string{"--appendonly", "yes", "--appendfsync", "always"}
	tests := map[string]func(t *testing.T) (url string, replica *storetest.Server, others int){
		"cluster": func(t *testing.T) (string, *storetest.Server, int) {
			t.Helper()
			c := storetest.NewCluster(t, 3, 1, always...)
			return c.URL(), c.Nodes()[3], 0
		},
		"sentinel": func(t *testing.T) (string, *storetest.Server, int) {
			t.Helper()
			c := storetest.NewSentinels(t, always...)
			return c.URL(), c.Nodes()[1], 1
		},
	}
	for mode, start := range tests {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			url, replica, others := start(t)
			master := func(online int) (servers []store.Server, found store.Server) {
				t.Helper()
				wait.UntilTrue(t, "the master's view of its replicas", func() bool {
					var err error
					if servers, err = store.Inspect(t.Context(), mode, url); err != nil {
						return false
					}
					at := slices.IndexFunc(servers, func(s store.Server) bool {
						return !s.Replica && !s.Unreachable && s.Replicas+s.Away == others+1
					})
					if at >= 0 {
						found = servers[at]
					}
					return at >= 0 && found.Replicas == online
				})
				return servers, found
			}
			if _, m := master(others + 1); m.Away != 0 {
				t.Errorf("before: got %+v", m)
			}
			replica.Kill()
			servers, m := master(others)
			if m.Away != 1 {
				t.Errorf("got %+v", m)
			}
			if d := store.DurabilityOf(servers, others); d.Failover == "" {
				t.Errorf("with %d that confirm: got %+v", others, d)
			}
			if d := store.DurabilityOf(servers, others+1); d.Failover != "" {
				t.Errorf("with %d that confirm: got %+v", others+1, d)
			}
		})
	}
}

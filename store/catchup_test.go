package store_test

import (
	"errors"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestCatchUpNoticesAnotherMaster replaces a master, or restarts it, during a pass of the catch-up. The pass may have
// written what the new one does not have, so its cursor is not stored. The next pass stores its own.
func TestCatchUpNoticesAnotherMaster(t *testing.T) {
	cases := map[string]struct {
		mode  string
		start func(testing.TB) (url string, nodes []*storetest.Server, replace func())
	}{
		"a cluster": {"cluster", func(t testing.TB) (string, []*storetest.Server, func()) {
			t.Helper()
			c := storetest.NewCluster(t, 3, 3)
			return c.URL(), c.Nodes(), c.KillMaster
		}},
		"sentinels": {"sentinel", func(t testing.TB) (string, []*storetest.Server, func()) {
			t.Helper()
			c := storetest.NewSentinels(t)
			return c.URL(), c.Nodes(), c.KillMaster
		}},
		"a single server": {"single", func(t testing.TB) (string, []*storetest.Server, func()) {
			t.Helper()
			s := storetest.NewServer(t, "--appendonly", "yes")
			return s.URL(), nil, func() { s.Kill(); s.Restart() }
		}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, nodes, replace := test.start(t)
			s := store.New(connectTo(t, test.mode, url), options)
			must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
			earlier := time.Unix(1_760_000_000, 0)
			must(t, s.SaveCatchUp(t.Context(), payment.CatchUp{Now: earlier}))
			began, err := s.BeginCatchUp(t.Context())
			must(t, err)
			awaitReplicas(t, nodes)
			replace()
			wait.UntilTrue(t, "the change to be noticed", func() bool {
				err = s.SaveCatchUp(t.Context(), began)
				return err == nil || errors.Is(err, payment.ErrFailover)
			})
			if done, _, err := s.LoadCatchUp(t.Context()); err != nil || !done.Equal(earlier) {
				t.Errorf("the cursor is %s, %v; want %s, as before", done, err, earlier)
			}
			next, err := s.BeginCatchUp(t.Context())
			must(t, err)
			must(t, s.SaveCatchUp(t.Context(), next))
			if done, _, err := s.LoadCatchUp(t.Context()); err != nil || !done.Equal(next.Now.Truncate(time.Second)) {
				t.Errorf("after the next pass the cursor is %s, %v; want %s", done, err, next.Now)
			}
		})
	}
}

// awaitReplicas waits until each replica has what its master has.
func awaitReplicas(t *testing.T, nodes []*storetest.Server) {
	t.Helper()
	wait.UntilTrue(t, "the replicas to have all writes", func() bool {
		written := map[string]int64{} // offset of each master, by its history
		for _, node := range nodes {
			if r := node.Replication(t.Context()); r.Role == "master" {
				written[r.History] = r.Offset
			}
		}
		for _, node := range nodes {
			if r := node.Replication(t.Context()); r.Role == "slave" && r.Offset < written[r.History] {
				return false
			}
		}
		return true
	})
}

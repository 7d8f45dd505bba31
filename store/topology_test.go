package store_test

import (
	"context"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/store/storetest"
	"kasse/test/wait"
)

// TestMastersAreLookedUpAtOnce kills or freezes a master of a cluster. A store whose go-redis looks up the masters once
// in a day finds the new one by the errors of the old one: by a script, and by a pipeline.
func TestMastersAreLookedUpAtOnce(t *testing.T) {
	store.LookUpMastersEvery(t, 24*time.Hour)
	began := payment.CatchUp{Now: time.Unix(1_760_000_000, 0)}
	calls := []func(ctx context.Context, s *store.Store) error{
		func(ctx context.Context, s *store.Store) error { return s.SaveCatchUp(ctx, began) },
		func(ctx context.Context, s *store.Store) error { return third(s.LoadCatchUp(ctx)) },
	}
	for how, harm := range map[string]func(*storetest.Cluster){
		"killed": (*storetest.Cluster).KillMaster, "frozen": (*storetest.Cluster).FreezeMaster,
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := storetest.NewCluster(t, 3, 3)
			var stores []*store.Store
			for _, call := range calls {
				s := store.New(connectTo(t, "cluster", c.URL()), options)
				must(t, s.Mark(t.Context(), store.Identity{Service: "kasse"}))
				must(t, call(t.Context(), s))
				stores = append(stores, s)
			}
			awaitReplicas(t, c.Nodes())
			harm(c)
			for i, s := range stores {
				wait.UntilTrue(t, "the new master to be found", func() bool { return calls[i](t.Context(), s) == nil })
			}
		})
	}
}

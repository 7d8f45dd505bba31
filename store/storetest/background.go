package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store"
	"kasse/test/wait"
)

func (connect connector) testSweeps(t *testing.T) {
	f := fresh(t, connect)
	at := func(id payment.ID, due time.Time) {
		t.Helper()
		o, now := f.load(t, payment.Ref{Order: OrderOf(id)}, id)
		o, c := Unseen(o, id, now)
		c.Sweeps = []payment.Due{{Payment: id, At: due}}
		f.save(t, o, c)
	}
	now := f.now(t)
	at("pi_due", now)
	at("pi_later", now.Add(time.Hour))
	at("pi_final", now)
	at("pi_final", time.Time{})
	claim := func(hide time.Duration) []payment.ID {
		t.Helper()
		ids, err := f.ClaimSweeps(t.Context(), 10, hide)
		Must(t, err)
		return ids
	}
	if ids := claim(time.Millisecond); !slices.Equal(ids, []payment.ID{"pi_due"}) {
		t.Errorf("got %v, want pi_due", ids)
	}
	wait.UntilTrue(t, "the claimed payment to be due again", func() bool {
		return slices.Equal(claim(time.Hour), []payment.ID{"pi_due"})
	})
	if ids := f.claimReads(t, 10, time.Minute); len(ids) > 0 {
		t.Errorf("reads of %v are due, want none", ids)
	}
	f.saveRead(t, "pi_later", now)
	f.saveRead(t, "pi_doubt", now.Add(time.Hour))
	if due, err := f.ReadsDue(t.Context()); due != 1 || err != nil {
		t.Errorf("%d reads are due, %v", due, err)
	}
	at("pi_gone", now)
	Must(t, f.DropRead(t.Context(), "pi_gone"))
	if ids := claim(time.Hour); len(ids) > 0 {
		t.Errorf("got %v", ids)
	}
}

func (connect connector) testRestores(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_here")
	for range 2 {
		Must(t, f.QueueRestore(t.Context(), "pi_here", "address", false))
		Must(t, f.QueueRestore(t.Context(), "pi_missing", "address", false))
	}
	ids, err := f.ClaimRestores(t.Context(), false, 10, time.Minute)
	if Must(t, err); !slices.Equal(ids, []payment.ID{"pi_missing"}) {
		t.Errorf("got %v, want pi_missing", ids)
	}
	Must(t, f.DropRestore(t.Context(), "pi_missing"))
	for i := range 500 {
		Must(t, f.QueueRestore(t.Context(), numbered(i), "flood", false))
	}
	if waiting := f.waiting(t, "restore"); waiting > 32 || waiting < 16 {
		t.Errorf("%d payments of one address wait, want about 32", waiting)
	}
	Must(t, f.QueueRestore(t.Context(), "pi_honest", "neighbour", false))
	if waiting := f.waiting(t, "restore"); waiting > 33 || waiting < 17 {
		t.Errorf("%d payments of two addresses wait, want one more", waiting)
	}
	for i := range 3_000 {
		Must(t, f.QueueRestore(t.Context(), numbered(i), fmt.Sprint(i), false))
	}
	if waiting := f.waiting(t, "restore"); waiting > 1_000 || waiting < 900 {
		t.Errorf("%d payments wait, want about 1,000", waiting)
	}
	Must(t, f.QueueRestore(t.Context(), "pi_token", "order:o-1", true))
	if ids, err = f.ClaimRestores(t.Context(), true, 10, time.Minute); !slices.Equal(ids, []payment.ID{"pi_token"}) {
		t.Errorf("got %v, %v from the queue of tokens, want pi_token", ids, err)
	}
	Must(t, f.DropRestore(t.Context(), "pi_token"))
	if waiting := f.waiting(t, "restore:token"); waiting != 0 {
		t.Errorf("%d payments wait in the queue of tokens, want none", waiting)
	}
}

// waiting counts the members of a queue in all partitions.
func (f fixture) waiting(t testing.TB, queue string) (count int) {
	t.Helper()
	for n := range partitions {
		count += int(f.client.ZCard(t.Context(), fmt.Sprintf("kasse:{p%d}:%s", n, queue)).Val())
	}
	return count
}

func (f fixture) takeOrders(t testing.TB, limit int) []payment.OrderID {
	t.Helper()
	ids, err := f.ClaimOrders(t.Context(), limit, time.Hour)
	Must(t, err)
	return ids
}

func (connect connector) testAttention(t *testing.T) {
	f := fresh(t, connect)
	now := f.now(t)
	at := func(id payment.OrderID, due time.Time) {
		t.Helper()
		o, c := leased(f.order(t, id), now)
		c.Attention = due
		f.save(t, o, c)
	}
	at("o-due", now)
	at("o-first", now.Add(-time.Second))
	at("o-later", now.Add(time.Hour))
	at("o-settled", now)
	at("o-settled", time.Time{})
	if ids := f.takeOrders(t, 1); !slices.Equal(ids, []payment.OrderID{"o-first"}) {
		t.Errorf("got %v, want o-first", ids)
	}
	if ids := f.takeOrders(t, 10); !slices.Equal(ids, []payment.OrderID{"o-due"}) {
		t.Errorf("got %v, want o-due", ids)
	}
	if ids := f.takeOrders(t, 10); len(ids) != 0 {
		t.Errorf("got %v, want none: all are hidden", ids)
	}
	at("o-due", now) // a save queues it again, while the worker that claimed it finds nothing to do
	Must(t, f.DropOrder(t.Context(), "o-due"))
	if ids := f.takeOrders(t, 10); !slices.Equal(ids, []payment.OrderID{"o-due"}) {
		t.Errorf("got %v, want o-due, which was queued again", ids)
	}
	Must(t, f.DropOrder(t.Context(), "o-due"))
	Must(t, f.DropOrder(t.Context(), "o-due"))
	for number := range partitions {
		key := fmt.Sprintf("kasse:{p%d}:attention", number)
		if ids := f.client.ZRange(t.Context(), key, 0, -1).Val(); slices.Contains(ids, "o-due") {
			t.Errorf("%s holds %v, and o-due was dropped", key, ids)
		}
	}
}

func (connect connector) testLeases(t *testing.T) {
	f := fresh(t, connect)
	other := store.New(f.client, options)
	acquire := func(s *store.Store, owner string) bool {
		t.Helper()
		taken, err := s.AcquireLease(t.Context(), "nets", owner, time.Hour)
		Must(t, err)
		return taken
	}
	for range 2 {
		if !acquire(f.Store, "one") || acquire(other, "two") {
			t.Error("only the first owner should have the lease")
		}
	}
	if taken, err := other.AcquireLease(t.Context(), "push", "two", time.Hour); !taken || err != nil {
		t.Errorf("another lease: %t, %v", taken, err)
	}
	Must(t, other.ReleaseLease(t.Context(), "nets", "two"))
	if acquire(other, "two") {
		t.Error("another process has released the lease")
	}
	Must(t, f.ReleaseLease(t.Context(), "nets", "one"))
	if !acquire(other, "two") || acquire(f.Store, "one") {
		t.Error("the owner has not released the lease")
	}
	ttl := f.client.PTTL(t.Context(), "kasse:{p0}:lease:nets").Val()
	if ttl <= 0 || ttl > time.Hour {
		t.Errorf("the lease ends in %s, want an hour", ttl)
	}
}

func (connect connector) testCatchUp(t *testing.T) {
	f := fresh(t, connect)
	done, now, err := f.LoadCatchUp(t.Context())
	if Must(t, err); !done.IsZero() || now.Sub(f.now(t)).Abs() > waitLimit {
		t.Errorf("got %s, %s", done, now)
	}
	for _, step := range []struct{ save, want int64 }{
		{1_760_000_000, 1_760_000_000}, {1_759_999_999, 1_760_000_000}, {1_760_000_001, 1_760_000_001},
	} {
		Must(t, f.SaveCatchUp(t.Context(), payment.CatchUp{Now: time.Unix(step.save, 0)}))
		if done, _, err = f.LoadCatchUp(t.Context()); err != nil || done.Unix() != step.want {
			t.Errorf("after %d: got %d, %v", step.save, done.Unix(), err)
		}
	}
	f.testPartitionsCatchUp(t)
}

// testPartitionsCatchUp: if a partition goes back to an earlier state, the catch-up goes back with it.
func (f fixture) testPartitionsCatchUp(t *testing.T) {
	t.Helper()
	for number := range partitions {
		key, latest := fmt.Sprintf("kasse:{p%d}:catchup", number), time.Unix(1_760_000_001, 0)
		earlier := latest.Add(-time.Hour)
		for _, lost := range []struct {
			lose func() error
			want time.Time
		}{
			{func() error { return f.client.Set(t.Context(), key, earlier.Unix(), 0).Err() }, earlier},
			{func() error { return f.client.Del(t.Context(), key).Err() }, time.Time{}},
		} {
			Must(t, lost.lose())
			if done, _, err := f.LoadCatchUp(t.Context()); err != nil || !done.Equal(lost.want) {
				t.Errorf("partition %d went back: got %s, %v, want %s", number, done, err, lost.want)
			}
			Must(t, f.SaveCatchUp(t.Context(), payment.CatchUp{Now: latest}))
			if done, _, err := f.LoadCatchUp(t.Context()); err != nil || !done.Equal(latest) {
				t.Errorf("partition %d has caught up: got %s, %v", number, done, err)
			}
		}
	}
}

func (connect connector) testRebuild(t *testing.T) {
	t.Run("of all", func(t *testing.T) { connect.rebuilds(t, partitions, nil) })
	t.Run("of one partition", func(t *testing.T) { connect.rebuilds(t, 1, []string{metaKey(3)}) })
}

// rebuilds removes the marks, or all marks if marks is nil, and runs a rebuild that dies once.
func (connect connector) rebuilds(t *testing.T, lost int, marks []string) {
	t.Helper()
	f := fresh(t, connect)
	old := f.page(t, payment.Latest, 1).Next
	if marks == nil {
		eachMeta(func(key string) { marks = append(marks, key) })
	}
	for _, key := range marks {
		Must(t, f.client.Del(t.Context(), key).Err())
	}
	here := neighbours(1)[0] // in partition 3
	ref := payment.Ref{Order: OrderOf(here)}
	save := func(s *store.Store) error {
		o, now, err := s.LoadOrder(t.Context(), ref, here)
		if err != nil {
			hasCode(t, err, payment.CodeStoreUnavailable)
			o, now = payment.Order{ID: ref.Order}, time.Unix(1_760_000_000, 0)
		}
		o, c := Transition(o, here, now)
		_, err = s.SaveOrder(t.Context(), o, c)
		return err
	}
	refused := func() {
		t.Helper()
		_, err := f.Check(t.Context(), identity)
		if err != store.ErrUnfinished { //nolint:errorlint // Check does not wrap it
			t.Errorf("Check returned %v, want %v", err, store.ErrUnfinished)
		}
		Must(t, f.Mark(t.Context(), identity)) // marks nothing
		hasCode(t, save(f.Store), payment.CodeStoreUnavailable)
	}
	for round := range 2 {
		rebuild := store.New(f.client, options)
		if n, err := rebuild.BeginRebuild(t.Context(), identity); n != lost || err != nil {
			t.Fatalf("%d partitions were lost, %v; want %d", n, err, lost)
		}
		refused()
		Must(t, save(rebuild))
		for n := range partitions { // pointers and reads may be in any partition
			id := payment.ID(fmt.Sprintf("pi_rebuilt_%d_%d", round, n))
			Must(t, rebuild.SavePointer(t.Context(), id, ref.Order, f.now(t).Add(retention)))
			Must(t, errOf(rebuild.QueueRead(t.Context(), id)))
		}
		refused()
		if round == 0 {
			continue // it dies, and the next round starts again
		}
		Must(t, rebuild.FinishRebuild(t.Context()))
		Must(t, rebuild.FinishRebuild(t.Context()))
	}
	account, err := f.Check(t.Context(), identity)
	if account != "acct_1" || err != nil {
		t.Errorf("Check returned %q, %v", account, err)
	}
	f.put(t, here)
	_, err = f.LoadEvents(t.Context(), payment.FeedQuery{After: old, Limit: 10})
	hasCode(t, err, payment.CodeCursorExpired)
	_, err = store.New(f.client, options).BeginRebuild(t.Context(), store.Identity{Service: "other"})
	mismatch(t, err, []string{"other"})
}

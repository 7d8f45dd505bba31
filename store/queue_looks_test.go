package store_test

import (
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store/storetest"
)

// TestQueuesAreAskedSeldom: a process with a subscription asks Redis about its queues after a hint, when a member is
// due, and every few seconds. It finds members that it queued itself, that another process saved, and that had no hint.
func TestQueuesAreAskedSeldom(t *testing.T) {
	url := storetest.RedisServer(t)
	worker, other := process(t, url), process(t, url)
	client := connect(t, url)
	take := func() []payment.ID {
		ids, err := worker.ClaimReads(t.Context(), 50, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	looks := func() (count int64) { // commands that a look sends
		before := client.InfoMap(t.Context(), "commandstats").Item("Commandstats", "cmdstat_zrange")
		take()
		if client.InfoMap(t.Context(), "commandstats").Item("Commandstats", "cmdstat_zrange") != before {
			count = 1
		}
		return count
	}
	await(t, "a look that asks nothing", func() bool { return looks() == 0 })

	if _, err := worker.QueueRead(t.Context(), "pi_own"); err != nil {
		t.Fatal(err)
	}
	if ids := take(); len(ids) != 1 || ids[0] != "pi_own" {
		t.Errorf("its own: %v", ids)
	}

	o, now, err := other.LoadOrder(t.Context(), payment.Ref{Order: "order-other"})
	if err != nil {
		t.Fatal(err)
	}
	o.Version++
	c := payment.Changes{Now: now, Reads: []payment.Due{{Payment: "pi_other", At: now.Add(500 * time.Millisecond)}}}
	if _, err := other.SaveOrder(t.Context(), o, c); err != nil {
		t.Fatal(err)
	}
	await(t, "what another process saved", func() bool {
		ids := take()
		return len(ids) == 1 && ids[0] == "pi_other"
	})

	if _, err := other.QueueRead(t.Context(), "pi_unheard"); err != nil { // there is no hint
		t.Fatal(err)
	}
	await(t, "a member without a hint", func() bool {
		ids := take()
		return len(ids) == 1 && ids[0] == "pi_unheard"
	})
}

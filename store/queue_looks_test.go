package store_test

import (
	"testing"
	"time"

	"kasse/service/payment"
	"kasse/store/storetest"
)

// TestQueuesAreCheckedRarely: a process with a subscription checks a queue in Redis after a hint, when a member is due,
// and every few seconds. It finds members that it has queued itself, that another process has saved, and that had no
// hint.
func TestQueuesAreCheckedRarely(t *testing.T) {
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
	asks := func() bool { // whether a claim sends commands
		before := client.InfoMap(t.Context(), "commandstats").Item("Commandstats", "cmdstat_zrange")
		take()
		return client.InfoMap(t.Context(), "commandstats").Item("Commandstats", "cmdstat_zrange") != before
	}
	await(t, "a claim that sends no command", func() bool { return !asks() })

	if _, err := worker.QueueRead(t.Context(), "pi_own"); err != nil {
		t.Fatal(err)
	}
	if ids := take(); len(ids) != 1 || ids[0] != "pi_own" {
		t.Errorf("got %v, want the member that the process has queued itself", ids)
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
	await(t, "the member that another process saved", func() bool {
		ids := take()
		return len(ids) == 1 && ids[0] == "pi_other"
	})

	if _, err := other.QueueRead(t.Context(), "pi_unhinted"); err != nil { // there is no hint
		t.Fatal(err)
	}
	await(t, "a member without a hint", func() bool {
		ids := take()
		return len(ids) == 1 && ids[0] == "pi_unhinted"
	})
}

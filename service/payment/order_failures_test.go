package payment

import (
	"strconv"
	"testing"
)

// TestFailuresClose: more than MaxFailures failed attempts, over all payments, close the order. After a reopening they
// no longer count.
func TestFailuresClose(t *testing.T) {
	o := openOrder("pi_1")
	o.Rules.MaxFailures = 2
	for i := range 3 {
		charge := "ch_" + strconv.Itoa(i)
		o, _ = o.Apply(seenAs("pi_1", 1, event("evt_"+charge, int64(10+10*i), declined(charge))), noon)
		if (o.Closed == ClosedByFailures) != (i == 2) {
			t.Errorf("after %d failures: closed %q", i+1, o.Closed)
		}
	}
	if !o.Unwanted("pi_1") {
		t.Error("the open payment of a closed order is not cancelled")
	}
	if o, _ = o.Apply(Reserved{}, noon); o.Closed != "" || o.failures() != 0 {
		t.Errorf("reopened: closed %q, %d failures", o.Closed, o.failures())
	}
}

// TestLateFailuresDoNotCloseAReopenedOrder: events of failed attempts of an earlier payment may arrive after the order
// was reopened. They do not close it.
func TestLateFailuresDoNotCloseAReopenedOrder(t *testing.T) {
	o := openOrder("pi_1")
	o.Rules.MaxFailures = 1
	fail := func(id ID, attempt int, charge string, at int64) {
		o, _ = o.Apply(seenAs(id, attempt, event("evt_"+charge, at, declined(charge))), noon)
	}
	fail("pi_1", 1, "ch_1", 10)
	fail("pi_1", 1, "ch_2", 20)
	o, _ = follow(o, Reserved{}, seenAs("pi_2", 2, opening(50, pending())))
	fail("pi_1", 1, "ch_3", 30)
	fail("pi_1", 1, "ch_4", 40)
	fail("pi_2", 2, "ch_5", 60)
	if o.Closed != "" || o.failures() != 1 {
		t.Errorf("closed %q, %d failures, want an open order with one", o.Closed, o.failures())
	}
	if fail("pi_2", 2, "ch_6", 70); o.Closed != ClosedByFailures {
		t.Error("two failures of the second payment do not close the order")
	}
}

// TestLateFailuresAfterALoss: Redis has lost that the order was closed, so the next create finds it open. The failures
// that the catch-up finds afterwards do not close it if that create was allowed to reopen it.
func TestLateFailuresAfterALoss(t *testing.T) {
	for _, reopens := range []bool{true, false} {
		o := openOrder("pi_1")
		o.Rules.MaxFailures = 1
		o, _ = follow(o, seenAs("pi_1", 1, read(30, canceled("ch_2"))), Reserved{Reopens: reopens},
			seenAs("pi_2", 2, opening(50, pending())))
		o, _ = follow(o, seenAs("pi_1", 1, event("evt_1", 10, declined("ch_1"))),
			seenAs("pi_1", 1, event("evt_2", 20, declined("ch_2"))))
		if closed := o.Closed == ClosedByFailures; closed == reopens {
			t.Errorf("a create that may reopen: %t; the order is closed: %t", reopens, closed)
		}
	}
}

package sim_test

import "testing"

// mutant is a Redis or a Stripe that breaks what the service relies on. Each has to be caught, or the simulation proves
// nothing.
type mutant struct {
	withoutCAS      bool // the last write of an order wins
	repeatRevisions bool // a revision is a counter only, so that two writes may have the same
	splitWrites     bool // some writes lose the records beside the order
	forgetReads     bool // an uncertain payment is written, and never read
	forgetSweeps    bool // running payments are never read again
	forgetAttention bool // an order with an unsettled attempt is never looked at
	forgetStream    bool // nothing is announced
	forgetPointers  bool
	forgetKeys      bool // an idempotency key makes a PaymentIntent each time
	forgetWrites    bool // some writes are acknowledged, and not made
	forgetLists     bool // Stripe's lists are empty
}

// TestMutantsAreCaught: the simulation notices a Redis or a Stripe that breaks its promises.
func TestMutantsAreCaught(t *testing.T) {
	for name, m := range map[string]mutant{
		"orders without compare-and-set": {withoutCAS: true},
		"revisions that repeat":          {repeatRevisions: true},
		"writes without their records":   {splitWrites: true},
		"sweeps that are forgotten":      {forgetSweeps: true},
		"reads that are forgotten":       {forgetReads: true},
		"orders that are forgotten":      {forgetAttention: true},
		"events that are forgotten":      {forgetStream: true},
		"pointers that are forgotten":    {forgetPointers: true},
		"idempotency keys forgotten":     {forgetKeys: true},
		"writes that are forgotten":      {forgetWrites: true},
		"lists that are empty":           {forgetLists: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if w := runSimulation(t, seed, m); w.failure != nil {
					t.Logf("seed %d, step %d: %v", seed, w.steps, w.failure)
					return
				}
			}
			t.Fatal("no seed has caught it")
		})
	}
}

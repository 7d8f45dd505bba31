package sim_test

import "testing"

// mutant is a Redis or Stripe that breaks a guarantee on which the service relies. The simulation must detect each one.
type mutant struct {
	withoutCAS      bool // the last write of an order wins
	repeatRevisions bool // a revision is only a counter, so two writes may have the same
	splitWrites     bool // some writes lose the records beside the order
	forgetReads     bool // an uncertain payment is written but never read
	forgetSweeps    bool // running payments are never swept
	forgetAttention bool // an order with an unsettled attempt is never processed
	forgetStream    bool // events are dropped
	forgetPointers  bool
	forgetKeys      bool // an idempotency key makes a new PaymentIntent each time
	forgetWrites    bool // some writes are acknowledged but not made
	forgetLists     bool // Stripe's lists are empty
}

// TestMutantsAreCaught: the simulation detects each Redis or Stripe that breaks its guarantees.
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
			t.Fatal("no seed detects this mutant")
		})
	}
}

package sim_test

import "testing"

// mutant is a Redis or a Stripe that breaks what the service relies on. Each has to be caught, or the simulation proves
// nothing.
type mutant struct {
	paymentsWithoutCAS bool // the last write of a payment wins
	ordersWithoutCAS   bool
	forgetReads        bool // a doubt is written, and never asked about
	forgetSweeps       bool // nobody is asked about again
	forgetStream       bool
	forgetKeys         bool // an idempotency key makes a payment each time
	forgetWrites       bool // some writes are acknowledged, and not made
}

// TestMutantsAreCaught: the simulation sees what goes wrong where Redis or Stripe does not keep its word.
func TestMutantsAreCaught(t *testing.T) {
	for name, m := range map[string]mutant{
		"payments without compare-and-set": {paymentsWithoutCAS: true},
		"orders without compare-and-set":   {ordersWithoutCAS: true},
		"sweeps that are forgotten":        {forgetSweeps: true},
		"doubts that are forgotten":        {forgetReads: true},
		"transitions that are forgotten":   {forgetStream: true},
		"idempotency keys forgotten":       {forgetKeys: true},
		"writes that are forgotten":        {forgetWrites: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(500) {
				if w := play(t, seed, m); w.failure != nil {
					t.Logf("seed %d, step %d: %v", seed, w.steps, w.failure)
					return
				}
			}
			t.Fatal("nobody has noticed")
		})
	}
}

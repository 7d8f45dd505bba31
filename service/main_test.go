package service

import (
	"flag"
	"os"
	"testing"
)

// modelSeed is the seed of the model-based tests unless -rapid.seed says another; -rapid.seed=0 takes a new one
// each time.
const modelSeed = "20261123"

// TestMain lets CI judge the change and not the dice: new seeds are tried by `make model`.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.seed" })
	if !given {
		if err := flag.Set("rapid.seed", modelSeed); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

package service

import (
	"flag"
	"os"
	"testing"
)

// modelSeed is the seed of the model-based tests unless -rapid.seed is set; -rapid.seed=0 draws a new one
// each time.
const modelSeed = "20261123"

// TestMain fixes the seed, so that CI tests the change and not the luck. `make model` tries new seeds.
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

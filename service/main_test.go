package service

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"kasse/test/rounds"
)

// modelSeed is the seed of the model-based tests unless -rapid.seed is set; -rapid.seed=0 draws a new one
// each time.
const modelSeed = "20261123"

// TestMain fixes the seed, so that a failure in CI comes from the change. `make model` tries new seeds.
func TestMain(m *testing.M) {
	flag.Parse()
	defaults := map[string]string{"rapid.seed": modelSeed, "rapid.checks": strconv.Itoa(rounds.Of(30, 100, 100))}
	flag.Visit(func(f *flag.Flag) { delete(defaults, f.Name) })
	for name, value := range defaults {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

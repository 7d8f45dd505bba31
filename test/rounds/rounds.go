// Package rounds decides how many rounds a long test runs. Every kind of case always runs. The number of cases, seeds
// and repetitions depends on the environment variable KASSE_TEST_ROUNDS:
//
//   - unset, as in `make test`: few;
//   - check, as in `make check`: many;
//   - all, as in `make proofs`: all.
package rounds

import (
	"fmt"
	"os"
)

const variable = "KASSE_TEST_ROUNDS"

// Of returns one of the numbers, depending on KASSE_TEST_ROUNDS.
func Of(few, check, all int) int { return choose(os.Getenv(variable), few, check, all) }

// All reports whether the test must run all rounds.
func All() bool { return Of(0, 0, 1) == 1 }

// choose panics if the variable has another value. Otherwise a misspelt value would silently run few rounds.
func choose(value string, few, check, all int) int {
	switch value {
	case "":
		return few
	case "check":
		return check
	case "all":
		return all
	}
	panic(fmt.Sprintf("%s is %q; it must be unset, check or all", variable, value))
}

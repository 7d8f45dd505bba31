// Package rounds returns how much of a long test is played. Every kind of case is always played; the number of
// cases, seeds and repetitions depends on the environment variable KASSE_TEST_ROUNDS:
//
//   - unset, as in `make test`: few;
//   - check, as in `make check`: many;
//   - all, as in `make proofs`: every one.
package rounds

import (
	"fmt"
	"os"
)

const variable = "KASSE_TEST_ROUNDS"

// Of returns one of the numbers, by KASSE_TEST_ROUNDS.
func Of(few, check, all int) int { return choose(os.Getenv(variable), few, check, all) }

// All reports whether every round is to be played.
func All() bool { return Of(0, 0, 1) == 1 }

// choose panics where the variable has another value: a misspelt one would silently play few.
func choose(asked string, few, check, all int) int {
	switch asked {
	case "":
		return few
	case "check":
		return check
	case "all":
		return all
	}
	panic(fmt.Sprintf("%s is %q; it must be unset, check or all", variable, asked))
}

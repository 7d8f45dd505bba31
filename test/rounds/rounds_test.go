package rounds

import "testing"

func TestOf(t *testing.T) {
	for value, want := range map[string]int{"": 1, "check": 2, "all": 3} {
		t.Setenv(variable, value)
		if got := Of(1, 2, 3); got != want || All() != (value == "all") {
			t.Errorf("%q: %d rounds, all %t", value, got, All())
		}
	}
}

// TestMisspeltRounds: a misspelt value panics. Otherwise a test would run few rounds and prove less than intended.
func TestMisspeltRounds(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a misspelt value is accepted")
		}
	}()
	t.Setenv(variable, "al")
	Of(1, 2, 3)
}

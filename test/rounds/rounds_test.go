package rounds

import "testing"

func TestOf(t *testing.T) {
	for asked, want := range map[string]int{"": 1, "check": 2, "all": 3} {
		t.Setenv(variable, asked)
		if got := Of(1, 2, 3); got != want || All() != (asked == "all") {
			t.Errorf("%q: %d rounds, all %t", asked, got, All())
		}
	}
}

// TestMisspeltRounds: a test that plays few rounds by mistake would prove less than its name
// promises.
func TestMisspeltRounds(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a misspelt value is taken")
		}
	}()
	t.Setenv(variable, "al")
	Of(1, 2, 3)
}

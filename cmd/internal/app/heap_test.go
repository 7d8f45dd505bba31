package app

import "testing"

func TestGrowth(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 1000, 2 << 20: 1000, 10 << 20: 450, 24 << 20: 200, 40 << 20: 100, 1 << 30: 100,
	} {
		if got := growth(live); got != want {
			t.Errorf("with %d bytes alive it may grow by %d %%, want %d", live, got, want)
		}
	}
}

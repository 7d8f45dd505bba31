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

// TestMemoryIsReturnedAfterABurst: memory is returned once, when few bytes are allocated, and not again
// before the heap has grown.
func TestMemoryIsReturnedAfterABurst(t *testing.T) {
	const mib = 1 << 20
	var b burst
	for i, step := range []struct {
		now   heapUse
		given uint64 // resident bytes afterwards; 0: nothing is returned
	}{
		{heapUse{30 * mib, 10 * mib}, 0},
		{heapUse{400 * mib, 300 * mib}, 0}, // the burst is still running
		{heapUse{400 * mib, 301 * mib}, 90 * mib},
		{heapUse{92 * mib, 302 * mib}, 0},
		{heapUse{150 * mib, 303 * mib}, 0},
		{heapUse{250 * mib, 304 * mib}, 80 * mib},
	} {
		if over := b.over(step.now); over != (step.given > 0) {
			t.Errorf("%d: %t", i, over)
		}
		if step.given > 0 {
			b.kept = step.given
		}
	}
}

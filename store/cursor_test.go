package store

import (
	"regexp"
	"strings"
	"testing"

	"kasse/service/payment"
)

// FuzzCursor: every accepted text matches the contract, and its cursor has this one text only, so that a cursor cannot
// be lengthened.
func FuzzCursor(f *testing.F) {
	shape := regexp.MustCompile(`^[A-Za-z0-9_.~-]+$`)
	for _, partitions := range []int{1, 16, maxPartitions} {
		c := cursor{epoch: "ABCD2345", after: make([]position, partitions)}
		f.Add(c.String())
		for n := range c.after {
			c.after[n] = position{ms: 1_760_000_000_000 + int64(n), seq: int64(n)}
		}
		f.Add(c.String())
		f.Add(c.String() + "A")
	}
	for _, text := range []string{
		"", payment.Latest, "=", "%", "ABCD2345", strings.Repeat("A", 2_000), strings.Repeat("_", 40),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, known := parseCursor(text)
		if !known || text == "" || text == payment.Latest {
			return
		}
		if c.String() != text {
			t.Errorf("%q is written %q", text, c)
		}
		if len(c.after) == 0 || len(c.after) > maxPartitions || len(c.epoch) != epochLength {
			t.Errorf("%q has %d positions and the epoch %q", text, len(c.after), c.epoch)
		}
		for _, p := range c.after {
			if p.ms < 0 || p.seq < 0 {
				t.Errorf("%q has the position %s", text, p)
			}
		}
		if !shape.MatchString(text) {
			t.Errorf("%q does not match the pattern of the contract", text)
		}
	})
}

// TestLongestCursor: a cursor with the greatest positions of this century has at most 1,024 characters.
func TestLongestCursor(t *testing.T) {
	c := cursor{epoch: "ABCD2345", after: make([]position, maxPartitions)}
	for n := range c.after {
		c.after[n] = position{ms: 4_102_444_800_000, seq: 1 << 34}
	}
	if text := c.String(); len(text) > 1_024 {
		t.Errorf("the cursor has %d characters", len(text))
	} else if back, known := parseCursor(text); !known || back.String() != text {
		t.Errorf("%q is not read back", text)
	}
}

package api

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestQuotaAllowsExactlyItsLimit: at any time the limit's requests are allowed, and those that have been refilled.
// A caller that waits for the returned time is allowed, and not a nanosecond earlier.
func TestQuotaAllowsExactlyItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := Limit{
			Count: rapid.IntRange(1, 20).Draw(t, "count"),
			Per:   rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "per"),
		}
		now := time.Unix(1_700_000_000, 0)
		q := newQuota(limit, func() time.Time { return now })
		each := limit.Per / time.Duration(limit.Count)
		var through []time.Time
		for range 100 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*each)).Draw(t, "pause")))
			left, wait := q.take("key")
			if wait == 0 {
				through = append(through, now)
				if left < 0 || left >= limit.Count {
					t.Fatalf("%d are left of %d", left, limit.Count)
				}
				continue
			}
			now = now.Add(wait - 1)
			if _, again := q.take("key"); again != 1 {
				t.Fatalf("had to wait %s, after 1 ns less to wait %s", wait, again)
			}
			now = now.Add(1)
			if _, again := q.take("key"); again != 0 {
				t.Fatalf("had to wait %s, and then to wait %s", wait, again)
			}
			through = append(through, now)
		}
		for i := range through {
			for j := i; j < len(through); j++ {
				if most := limit.Count + int(through[j].Sub(through[i])/each); j-i+1 > most {
					t.Fatalf("%d were let through in %s", j-i+1, through[j].Sub(through[i]))
				}
			}
		}
	})
}

// TestQuotaIsBounded: a million keys need bounded memory, and a used quota is not dropped before full ones.
func TestQuotaIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := newQuota(Limit{Count: 2, Per: time.Second}, func() time.Time { return now })
	for n := range maxCounted - 1 {
		q.take(strconv.Itoa(n))
	}
	now = now.Add(time.Second)
	q.take("busy")
	q.take("busy")
	q.take("one more")
	if len(q.used) != 2 {
		t.Errorf("%d are remembered", len(q.used))
	}
	if _, wait := q.take("busy"); wait == 0 {
		t.Error("the busy one is forgotten")
	}
	for n := range 1_000_000 {
		q.take(strconv.Itoa(n))
		if len(q.used) > maxCounted {
			t.Fatalf("%d are remembered", len(q.used))
		}
	}
}

package storetest

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
	"kasse/test/wait"
)

// cursorShape and maxCursor are the contract's pattern in two parts, since Go's regexp counts to 1,000 only.
var cursorShape = regexp.MustCompile(`^[A-Za-z0-9_.~-]+$`)

const maxCursor = 1_024

func wellFormed(t testing.TB, cursor string) {
	t.Helper()
	if !cursorShape.MatchString(cursor) || len(cursor) > maxCursor {
		t.Errorf("cursor %q does not match the contract", cursor)
	}
}

func (connect connector) testCursor(t *testing.T) {
	t.Run("is short, also of 64 partitions", connect.cursorIsShortAlsoOf64Partitions)
	t.Run("that is not valid is refused", connect.invalidCursor)
	t.Run("of another epoch expires", connect.cursorOfAnotherEpoch)
	t.Run("from before the loss of a partition expires", connect.cursorOfBeforeALoss)
	t.Run("of another number of partitions expires", func(t *testing.T) {
		o := options
		o.Partitions = 4
		old := freshWith(t, connect, o).page(t, payment.Latest, 10).Next
		f := fresh(t, connect)
		f.expired(t, old, nil)
	})
	t.Run("older than the kept events expires", connect.trimmed)
	t.Run("expires in steps if many events are too old", connect.trimmedInSteps)
	t.Run("expires if a partition that it has not begun has dropped events", connect.unbegun)
	t.Run("never expires while the feed is paged from its beginning", connect.pagedAfterTrim)
	t.Run("that has passed all dropped events is valid", connect.quietPartition)
}

func (connect connector) cursorIsShortAlsoOf64Partitions(t *testing.T) {
	o := options
	o.Partitions = 64
	f := freshWith(t, connect, o)
	for i := range 400 {
		f.put(t, numbered(i))
	}
	_, next := f.rest(t, "", 500)
	t.Logf("%d characters", len(next))
	wellFormed(t, next)
}

func (connect connector) invalidCursor(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	good := f.page(t, "", 1).Next
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	for _, bad := range []string{
		"0", "oldest", "LATEST", "latest ", "=", "%20", "..", "A", "AA", "____",
		good + "A", good + "AAAA", good + "=", good + "\n", good[1:], good[:len(good)-4],
		base64.RawURLEncoding.EncodeToString(append(slices.Clone(raw), 0)),
		base64.RawURLEncoding.EncodeToString(raw[:len(raw)-1]),
	} {
		_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: bad, Limit: 10})
		e := hasCode(t, err, payment.CodeInvalidRequest)
		if len(e.Fields) != 1 || e.Fields[0].Parameter != "after" {
			t.Errorf("%q: the error names %+v", bad, e.Fields)
		}
	}
}

func (connect connector) cursorOfAnotherEpoch(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	old := f.page(t, "", 10).Next
	f = fresh(t, connect)
	want := f.put(t, "pi_2")
	f.expired(t, old, []string{want})
}

func (connect connector) cursorOfBeforeALoss(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	for _, lost := range []int{0, 7} {
		old := f.page(t, payment.Latest, 10).Next
		Must(t, f.client.Del(t.Context(), metaKey(lost)).Err())
		Must(t, f.Mark(t.Context(), identity))
		_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: old, Limit: 10})
		hasCode(t, err, payment.CodeCursorExpired)
	}
}

// expired fails the test unless the cursor has expired, and the oldest cursor in the error leads to the kept events.
func (f fixture) expired(t testing.TB, cursor string, kept []string) {
	t.Helper()
	_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: cursor, Limit: 10})
	e := hasCode(t, err, payment.CodeCursorExpired)
	wellFormed(t, e.Oldest)
	if got, _ := f.rest(t, e.Oldest, 10); !slices.Equal(got, kept) {
		t.Errorf("from the oldest cursor: got %v, want %v", got, kept)
	}
}

// brief is a retention of events that has passed when outlive returns.
const brief = time.Millisecond

// briefly returns a store that drops events older than brief at the next write in their partition.
func briefly(t testing.TB, connect connector) fixture {
	t.Helper()
	o := options
	o.EventRetention = brief
	return freshWith(t, connect, o)
}

// outlive waits until all events written so far are older than brief.
func (f fixture) outlive(t testing.TB) {
	t.Helper()
	written := f.now(t)
	wait.UntilTrue(t, "Redis's clock", func() bool { return f.now(t).Sub(written) > 2*brief+time.Millisecond })
}

func (connect connector) trimmed(t *testing.T) {
	f := briefly(t, connect)
	ids := neighbours(4)
	f.put(t, ids[0])
	early := f.page(t, "", 10).Next
	f.put(t, ids[1])
	f.outlive(t)
	f.put(t, ids[2]) // drops the two events before it, one of which the cursor has not passed
	f.outlive(t)
	want := f.put(t, ids[3])
	f.expired(t, early, []string{want})
}

// trimmedInSteps: after a quiet period a stream has many expired entries. No single write trims them all, since that
// would block Redis for longer.
func (connect connector) trimmedInSteps(t *testing.T) {
	const old, step = 200, 64
	f, id := fresh(t, connect), neighbours(1)[0]
	for n := range old {
		Must(t, f.client.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "kasse:{p3}:events", ID: fmt.Sprintf("%d-0", n+1),
			Values: []string{"id", fmt.Sprintf("pi_old.%d", n)},
		}).Err())
	}
	unread, read := f.page(t, "", step-1).Next, f.page(t, "", step).Next
	for left := old - step; ; left -= step {
		f.put(t, id)
		kept, err := f.client.XRange(t.Context(), "kasse:{p3}:events", "-", "2000-0").Result()
		Must(t, err)
		if len(kept) != max(left, 0) {
			t.Fatalf("%d old entries are left, want %d", len(kept), left)
		}
		dropped := f.client.HGet(t.Context(), metaKey(3), "dropped").Val()
		newest := f.client.HGet(t.Context(), metaKey(3), "trimmed").Val()
		if gone := old - len(kept); dropped != strconv.Itoa(gone) || newest != fmt.Sprintf("%d-0", gone) {
			t.Fatalf("%d entries were dropped; meta has %s, up to %s", gone, dropped, newest)
		}
		if left == old-step {
			f.page(t, read, 10) // it has passed all dropped entries
			_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: unread, Limit: 10})
			hasCode(t, err, payment.CodeCursorExpired)
		}
		if left <= 0 {
			return
		}
	}
}

func (connect connector) unbegun(t *testing.T) {
	f := briefly(t, connect)
	ids := onePerPartition()
	read := f.put(t, ids[0])
	f.outlive(t)
	f.put(t, ids[1])
	page := f.page(t, "", 1)
	if len(page.Events) != 1 || page.Events[0].ID != read {
		t.Fatalf("got %+v, want the oldest event", page.Events)
	}
	f.outlive(t)
	want := f.put(t, ids[1]) // drops the event before it, which did not fit on the page
	f.expired(t, page.Next, []string{read, want})
}

func (connect connector) pagedAfterTrim(t *testing.T) {
	f := briefly(t, connect)
	for i := range 600 {
		f.put(t, numbered(i%50))
	}
	kept := 0
	for n := range partitions {
		kept += int(f.client.XLen(t.Context(), fmt.Sprintf("kasse:{p%d}:events", n)).Val())
	}
	for _, limit := range []int{1, 10} {
		if got, _ := f.rest(t, "", limit); len(got) != kept {
			t.Errorf("got %d events, want the %d kept ones", len(got), kept)
		}
	}
}

func (connect connector) quietPartition(t *testing.T) {
	f := briefly(t, connect)
	ids := neighbours(2)
	f.put(t, ids[0])
	_, read := f.rest(t, "", 10)
	cursors := []string{read, f.page(t, payment.Latest, 10).Next}
	for range 3 {
		f.outlive(t)
		for _, id := range onePerPartition() { // the other partitions drop events that both cursors have passed
			if hashed(string(OrderOf(id))) != hashed(string(OrderOf(ids[0]))) {
				f.put(t, id)
			}
		}
		for i := range cursors {
			_, cursors[i] = f.rest(t, cursors[i], 500)
		}
	}
	want := f.put(t, ids[1]) // drops the event that both cursors have passed
	if n := f.client.XLen(t.Context(), eventsKey(ids[1])).Val(); n != 1 {
		t.Errorf("%d events are kept, want 1", n)
	}
	for _, cursor := range cursors {
		if got, _ := f.rest(t, cursor, 10); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

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

// cursorShape and maxCursor are the contract's; Go's regexp counts to 1,000 only.
var cursorShape = regexp.MustCompile(`^[A-Za-z0-9_.~-]+$`)

const maxCursor = 1_024

func wellFormed(t testing.TB, cursor string) {
	t.Helper()
	if !cursorShape.MatchString(cursor) || len(cursor) > maxCursor {
		t.Errorf("cursor %q is not as the contract says", cursor)
	}
}

func (connect connector) testCursor(t *testing.T) {
	t.Run("is short, also of 64 partitions", connect.cursorIsShortAlsoOf64Partitions)
	t.Run("that is none of ours is refused", connect.cursorThatIsNoneOfOurs)
	t.Run("of another life expires", connect.cursorOfAnotherLifeExpires)
	t.Run("of before a partition was lost expires", connect.cursorOfBeforeALoss)
	t.Run("of another number of partitions expires", func(t *testing.T) {
		o := options
		o.Partitions = 4
		old := freshWith(t, connect, o).page(t, payment.Latest, 10).Next
		f := fresh(t, connect)
		f.expired(t, old, nil)
	})
	t.Run("older than what is kept expires", connect.trimmed)
	t.Run("expires bit by bit where much is too old", connect.trimmedBitByBit)
	t.Run("expires where a partition it has not begun has dropped something", connect.unbegun)
	t.Run("never expires while the feed is paged from its beginning", connect.pagedAfterTrim)
	t.Run("that has passed all that was dropped is good", connect.quietPartition)
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

func (connect connector) cursorThatIsNoneOfOurs(t *testing.T) {
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

func (connect connector) cursorOfAnotherLifeExpires(t *testing.T) {
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

// expired fails the test unless the cursor has, and the oldest leads to what is kept.
func (f fixture) expired(t testing.TB, cursor string, kept []string) {
	t.Helper()
	_, err := f.LoadEvents(t.Context(), payment.FeedQuery{After: cursor, Limit: 10})
	e := hasCode(t, err, payment.CodeCursorExpired)
	wellFormed(t, e.Oldest)
	if got, _ := f.rest(t, e.Oldest, 10); !slices.Equal(got, kept) {
		t.Errorf("from the oldest: got %v, want %v", got, kept)
	}
}

// brief keeps events for less time than two writes are apart.
const brief = time.Millisecond

// briefly returns a store that drops an event as soon as another is written in its partition.
func briefly(t testing.TB, connect connector) fixture {
	t.Helper()
	o := options
	o.EventRetention = brief
	return freshWith(t, connect, o)
}

// outlive returns when everything written so far is older than the retention.
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
	f.put(t, ids[2]) // drops the two before it, one of which the cursor has not passed
	f.outlive(t)
	want := f.put(t, ids[3])
	f.expired(t, early, []string{want})
}

// trimmedBitByBit has many expired entries, as after a quiet period. No single write may trim them all, since
// it would block Redis for longer.
func (connect connector) trimmedBitByBit(t *testing.T) {
	const old, atOnce = 200, 64
	f, id := fresh(t, connect), neighbours(1)[0]
	for n := range old {
		Must(t, f.client.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "kasse:{p3}:events", ID: fmt.Sprintf("%d-0", n+1),
			Values: []string{"id", fmt.Sprintf("pi_old.%d", n)},
		}).Err())
	}
	unread, read := f.page(t, "", atOnce-1).Next, f.page(t, "", atOnce).Next
	for left := old - atOnce; ; left -= atOnce {
		f.put(t, id)
		kept, err := f.client.XRange(t.Context(), "kasse:{p3}:events", "-", "2000-0").Result()
		Must(t, err)
		if len(kept) != max(left, 0) {
			t.Fatalf("%d old entries are left, want %d", len(kept), left)
		}
		dropped := f.client.HGet(t.Context(), metaKey(3), "dropped").Val()
		newest := f.client.HGet(t.Context(), metaKey(3), "trimmed").Val()
		if gone := old - len(kept); dropped != strconv.Itoa(gone) || newest != fmt.Sprintf("%d-0", gone) {
			t.Fatalf("%d entries are gone; the mark says %s, up to %s", gone, dropped, newest)
		}
		if left == old-atOnce {
			f.page(t, read, 10) // it has passed all that is gone
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
		t.Fatalf("got %+v, want the oldest", page.Events)
	}
	f.outlive(t)
	want := f.put(t, ids[1]) // drops the one before it, which the page had no room for
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
			t.Errorf("got %d events, %d are kept", len(got), kept)
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
		for _, id := range onePerPartition() { // the others drop what both have passed
			if hashed(string(OrderOf(id))) != hashed(string(OrderOf(ids[0]))) {
				f.put(t, id)
			}
		}
		for i := range cursors {
			_, cursors[i] = f.rest(t, cursors[i], 500)
		}
	}
	want := f.put(t, ids[1]) // drops the one that both cursors have passed
	if n := f.client.XLen(t.Context(), eventsKey(ids[1])).Val(); n != 1 {
		t.Errorf("%d are kept, want 1", n)
	}
	for _, cursor := range cursors {
		if got, _ := f.rest(t, cursor, 10); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kasse/service/payment"
	"kasse/store"
)

func metaKey(n int) string { return fmt.Sprintf("kasse:{p%d}:meta", n) }

// eachMeta calls do with the key of every partition's mark.
func eachMeta(do func(key string)) {
	for n := range partitions {
		do(metaKey(n))
	}
}

func (connect connector) testMarks(t *testing.T) {
	t.Run("are in every partition", connect.marksAreInEveryPartition)
	t.Run("are missing in a Redis that is empty, or has lost a partition", connect.marksAreMissing)
	t.Run("are not changed by a second mark", connect.marksAreKept)
	t.Run("are the same for all if many mark at once", connect.marksAreTheSameForAll)
	t.Run("get the account later", connect.marksGetTheAccountLater)
}

func (connect connector) marksAreInEveryPartition(t *testing.T) {
	f := fresh(t, connect)
	if account, err := f.Check(t.Context(), identity); account != "acct_1" || err != nil {
		t.Errorf("got %q, %v", account, err)
	}
	epochs := map[string]bool{}
	eachMeta(func(key string) {
		mark := f.client.HGetAll(t.Context(), key).Val()
		want := map[string]string{
			"schema": "2", "account": "acct_1", "livemode": "false", "service": "kasse", "partitions": "16",
			"epoch": mark["epoch"],
		}
		if fmt.Sprint(mark) != fmt.Sprint(want) || mark["epoch"] == "" || epochs[mark["epoch"]] {
			t.Errorf("%s is %v, want %v with a unique epoch", key, mark, want)
		}
		epochs[mark["epoch"]] = true
	})
}

func (connect connector) marksAreMissing(t *testing.T) {
	f := unmarked(t, connect, options)
	_, err := f.Check(t.Context(), identity)
	isUnmarked(t, err)
	Must(t, f.Mark(t.Context(), identity))
	eachMeta(func(key string) {
		before := f.client.HGetAll(t.Context(), key).Val()
		Must(t, f.client.Del(t.Context(), key).Err())
		_, err := f.Check(t.Context(), identity)
		isUnmarked(t, err)
		Must(t, f.client.HSet(t.Context(), key, before).Err())
	})
	_, err = f.Check(t.Context(), identity)
	Must(t, err)
}

func (connect connector) marksAreKept(t *testing.T) {
	f := fresh(t, connect)
	f.put(t, "pi_1")
	Must(t, f.client.HSet(t.Context(), metaKey(0), "trimmed", "1-1").Err())
	before := DumpAll(t.Context(), f.client)
	Must(t, f.Mark(t.Context(), identity))
	Must(t, f.Mark(t.Context(), store.Identity{Service: "kasse"}))
	unchanged(t, before, DumpAll(t.Context(), f.client))
}

func (connect connector) marksAreTheSameForAll(t *testing.T) {
	f := unmarked(t, connect, options)
	cursors := make([]string, 8)
	atOnce(len(cursors), func(i int) {
		s := store.New(f.client, options)
		if err := s.Mark(t.Context(), identity); err != nil {
			t.Error(err)
		}
		page, err := s.LoadEvents(t.Context(), payment.FeedQuery{Limit: 1})
		if err != nil {
			t.Error(err)
		}
		cursors[i] = page.Next
	})
	for _, cursor := range cursors {
		f.page(t, cursor, 1) // fails if it is of another epoch
	}
}

func (connect connector) marksGetTheAccountLater(t *testing.T) {
	f := unmarked(t, connect, options)
	nameless := store.Identity{Service: "kasse"}
	Must(t, f.Mark(t.Context(), nameless))
	if account, err := f.Check(t.Context(), identity); account != "" || err != nil {
		t.Errorf("got %q, %v", account, err)
	}
	Must(t, f.client.HSet(t.Context(), metaKey(0), "account", "acct_1").Err())
	if account, err := f.Check(t.Context(), identity); account != "" || err != nil {
		t.Errorf("known in one partition only: got %q, %v", account, err)
	}
	Must(t, f.SetAccount(t.Context(), "acct_1"))
	Must(t, f.SetAccount(t.Context(), "acct_1"))
	if account, err := f.Check(t.Context(), nameless); account != "acct_1" || err != nil {
		t.Errorf("got %q, %v", account, err)
	}
	err := f.SetAccount(t.Context(), "acct_2")
	if err == nil || !strings.Contains(err.Error(), "acct_1") || !strings.Contains(err.Error(), "acct_2") {
		t.Errorf("another account: got %v", err)
	}
	_, err = f.Check(t.Context(), identity)
	Must(t, err)
}

func (connect connector) testIdentities(t *testing.T) {
	live, otherService, otherAccount := identity, identity, identity
	live.Livemode, otherService.Service, otherAccount.Account = true, "other", "acct_2"
	tests := map[string]struct {
		want       store.Identity
		partitions int
		names      []string
	}{
		"livemode":        {live, partitions, []string{"test", "live"}},
		"service":         {otherService, partitions, []string{"SERVICE_NAME", "kasse", "other"}},
		"account":         {otherAccount, partitions, []string{"acct_1", "acct_2"}},
		"more partitions": {identity, 32, []string{"REDIS_PARTITIONS", "16", "32"}},
		"less partitions": {identity, 8, []string{"REDIS_PARTITIONS", "16", "8"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := fresh(t, connect)
			before := DumpAll(t.Context(), f.client)
			o := options
			o.Partitions = test.partitions
			other := store.New(f.client, o)
			_, err := other.Check(t.Context(), test.want)
			mismatch(t, err, test.names)
			mismatch(t, other.Mark(t.Context(), test.want), test.names)
			unchanged(t, before, DumpAll(t.Context(), f.client))
		})
	}
	t.Run("schema", func(t *testing.T) {
		f := fresh(t, connect)
		Must(t, f.client.HSet(t.Context(), metaKey(7), "schema", "99").Err())
		_, err := f.Check(t.Context(), identity)
		mismatch(t, err, []string{"99"})
	})
	t.Run("a mismatch is reported before a missing mark", func(t *testing.T) {
		f := fresh(t, connect)
		Must(t, f.client.Del(t.Context(), metaKey(0)).Err())
		_, err := f.Check(t.Context(), store.Identity{Service: "other"})
		mismatch(t, err, []string{"other"})
	})
	t.Run("that mark at once leave one owner", connect.identitiesAtOnce)
}

func (connect connector) identitiesAtOnce(t *testing.T) {
	f := unmarked(t, connect, options)
	errs := make([]error, 6)
	names := []string{"one", "two", "three"}
	atOnce(len(errs), func(i int) {
		errs[i] = store.New(f.client, options).Mark(t.Context(), store.Identity{Service: names[i%3]})
	})
	owners := 0
	for i, name := range names {
		_, err := f.Check(t.Context(), store.Identity{Service: name})
		if err == nil {
			owners++
		}
		if (err == nil) != (errs[i] == nil) || (err == nil) != (errs[i+3] == nil) {
			t.Errorf("%s: Mark returned %v and %v, Check %v", name, errs[i], errs[i+3], err)
		}
	}
	if owners != 1 {
		t.Errorf("there are %d owners, want 1", owners)
	}
}

func isUnmarked(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnmarked) {
		t.Errorf("got %v, want %v", err, store.ErrUnmarked)
	}
}

// mismatch fails the test unless the error names what differs, for an operator. It has no code for callers, since
// another try would not help.
func mismatch(t testing.TB, err error, names []string) {
	t.Helper()
	var coded *payment.Error
	if err == nil || errors.Is(err, store.ErrUnmarked) || errors.As(err, &coded) {
		t.Errorf("got %v, want a mismatch", err)
		return
	}
	plain(t, err.Error())
	for _, word := range names {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
}

func atOnce(count int, do func(i int)) {
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

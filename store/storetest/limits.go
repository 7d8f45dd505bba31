package storetest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kasse/store"
)

// testQuotas: most periods are an hour, so that no request becomes available again during a test.
func (connect connector) testQuotas(t *testing.T) {
	t.Run("are used one by one, and then return the time to wait", connect.quotasAreUsedOneByOne)
	t.Run("are exact to the unit at any rate", connect.quotasAreExactToTheUnit)
	t.Run("are shared by all stores", connect.quotasAreShared)
	t.Run("are full again after the clock has gone back", connect.quotasCountAsFresh)
	t.Run("of different names are separate, and expire", connect.quotasOfOneName)
}

func (connect connector) quotasAreUsedOneByOne(t *testing.T) {
	f := fresh(t, connect)
	for _, count := range []int{1, 3, 10} {
		name := "service:shop" + strings.Repeat("!", count)
		for left := count - 1; left >= 0; left-- {
			got, wait, err := f.UseQuota(t.Context(), name, count, time.Hour)
			Must(t, err)
			if got != left || wait != 0 {
				t.Errorf("of %d: %d are left, wait %s; want %d", count, got, wait, left)
			}
		}
		got, wait, err := f.UseQuota(t.Context(), name, count, time.Hour)
		Must(t, err)
		if each := time.Hour / time.Duration(count); got != 0 || wait <= each-time.Minute || wait > each {
			t.Errorf("past %d: %d are left, wait %s; want up to %s", count, got, wait, each)
		}
	}
}

func (connect connector) quotasAreExactToTheUnit(t *testing.T) {
	f := fresh(t, connect)
	for _, count := range []int{5, 10, 50, 1000} {
		got, _, err := f.UseQuota(t.Context(), "address:x", count, time.Second)
		Must(t, err)
		if got != count-1 {
			t.Errorf("of %d a second: %d are left after the first", count, got)
		}
		Must(t, Empty(t.Context(), f.client))
	}
}

func (connect connector) quotasAreShared(t *testing.T) {
	const count, callers = 40, 4
	f := fresh(t, connect)
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			other := store.New(f.client, options)
			for range count {
				_, wait, err := other.UseQuota(t.Context(), "frontend:order:o-1", count, time.Hour)
				if err != nil {
					t.Error(err)
				}
				if wait == 0 {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := allowed.Load(); got != count {
		t.Errorf("%d requests were allowed, want %d", got, count)
	}
}

func (connect connector) quotasCountAsFresh(t *testing.T) {
	f := fresh(t, connect)
	const name, count, per = "service:shop", 10, time.Minute
	key := fmt.Sprintf("kasse:{p%d}:limit:%s", hashed(name), name)
	for _, ahead := range []time.Duration{per + time.Second, 20 * time.Minute, 24 * time.Hour} {
		Must(t, f.client.Set(t.Context(), key, f.now(t).Add(ahead).UnixMicro(), 0).Err())
		left, wait, err := f.UseQuota(t.Context(), name, count, per)
		if Must(t, err); left != count-1 || wait != 0 {
			t.Errorf("%s ahead: %d are left, wait %s", ahead, left, wait)
		}
		if ttl := f.client.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > per {
			t.Errorf("the key expires in %s, want at most the period", ttl)
		}
	}
	Must(t, f.client.Set(t.Context(), key, f.now(t).Add(per).UnixMicro(), 0).Err())
	if left, wait, err := f.UseQuota(t.Context(), name, count, per); left != 0 || wait <= 0 || wait > per/count ||
		err != nil {
		t.Errorf("used up: %d are left, wait %s, %v", left, wait, err)
	}
}

func (connect connector) quotasOfOneName(t *testing.T) {
	f := fresh(t, connect)
	for range 5 {
		_, _, err := f.UseQuota(t.Context(), "service:flood", 2, time.Hour)
		Must(t, err)
	}
	if left, wait, err := f.UseQuota(t.Context(), "service:shop", 2, time.Hour); left != 1 || wait != 0 ||
		err != nil {
		t.Errorf("%d are left, wait %s, %v", left, wait, err)
	}
	for _, key := range allKeys(t.Context(), f.client) {
		if !strings.Contains(key, "}:limit:") {
			continue
		}
		if ttl := f.client.TTL(t.Context(), key).Val(); ttl <= 0 || ttl > time.Hour {
			t.Errorf("%s expires in %s, want at most an hour", key, ttl)
		}
	}
}

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnfinished is the error of a Redis whose rebuild has started and not finished.
var ErrUnfinished = errors.New("a rebuild of this Redis has started and not finished")

var finishRebuildScript = script("finish_rebuild")

// BeginRebuild marks every partition that has no mark as being rebuilt. This store may write there
// then, and no other that has not begun a rebuild too. It must be called before any goroutine uses
// the store. It returns how many partitions had been lost.
func (s *Store) BeginRebuild(ctx context.Context, id Identity) (lost int, err error) {
	keys := func(part partition) []string { return []string{part.rebuild(), part.meta()} }
	if err := s.markAll(ctx, id, keys); err != nil {
		return 0, err
	}
	parts := s.partitions()
	_, rebuilding, err := s.marks(ctx)
	if err != nil {
		return 0, err
	}
	for i, part := range parts {
		if rebuilding[i] {
			s.rebuilding[part] = true
		}
	}
	return len(s.rebuilding), nil
}

// FinishRebuild opens the rebuilt partitions to all processes. Check refuses until all partitions
// are open.
func (s *Store) FinishRebuild(ctx context.Context) error {
	for _, part := range s.partitions() {
		if err := finishRebuildScript.Run(ctx, s.redis, []string{part.rebuild(), part.meta()}).Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// meta is the key of the mark without which a script does not write. In a partition that this process
// rebuilds it is a mark of the rebuild, which other processes ignore, so that no order is opened before the
// end of the rebuild.
func (s *Store) meta(part partition) string {
	if s.rebuilding[part] {
		return part.rebuild()
	}
	return part.meta()
}

// Discard removes Kasse's keys of another layout and returns their number; none if the layout is this
// program's. The callers' quotas stay. Marks are removed last: if Discard ends too soon, the next one finds
// the rest.
func (s *Store) Discard(ctx context.Context) (count int, err error) {
	marks, _, err := s.marks(ctx)
	if err != nil {
		return 0, err
	}
	other := func(m mark) bool { return m.schema != "" && m.schema != schema }
	if !slices.ContainsFunc(marks, other) {
		return 0, nil
	}
	records, err := s.removeKeys(ctx, func(key string) bool { return !strings.HasSuffix(key, "}:meta") })
	if err != nil {
		return records, err
	}
	others, err := s.removeKeys(ctx, func(string) bool { return true })
	return records + others, err
}

// removeKeys removes those of Kasse's keys that match, of all masters, and returns how many there were.
func (s *Store) removeKeys(ctx context.Context, match func(key string) bool) (count int, err error) {
	var mu sync.Mutex
	remove := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, keyPrefix+"*", discardBatch).Iterator()
		for keys.Next(ctx) {
			if !match(keys.Val()) {
				continue
			}
			if err := node.Unlink(ctx, keys.Val()).Err(); err != nil {
				return err
			}
			mu.Lock()
			count++
			mu.Unlock()
		}
		return keys.Err()
	}
	if cluster, ok := s.redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(
			ctx, func(ctx context.Context, node *redis.Client) error { return remove(ctx, node) },
		)
	} else {
		err = remove(ctx, s.redis)
	}
	return count, unavailable(err)
}

// discardBatch is how many keys one SCAN looks at.
const discardBatch = 1_000

var lowestRetentionScript = script("lowest_retention")

// SaveRetention notes the PAYMENT_RETENTION in use, and returns the lowest that was ever in use: an
// order younger than that cannot have been taken by retention.
func (s *Store) SaveRetention(ctx context.Context) (lowest time.Duration, err error) {
	lowest = s.Retention
	for _, part := range s.partitions() {
		keys := []string{s.meta(part)}
		seconds, err := lowestRetentionScript.Run(ctx, s.redis, keys, int64(s.Retention/time.Second)).Int64()
		if err != nil {
			return 0, unavailable(err)
		}
		lowest = min(lowest, time.Duration(seconds)*time.Second)
	}
	return lowest, nil
}

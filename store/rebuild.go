package store

import (
	"context"
	"errors"
)

// ErrUnfinished says that a rebuild of this Redis was begun and has not ended.
var ErrUnfinished = errors.New("a rebuild of this Redis has begun, and not ended")

var finishRebuildScript = script("finish_rebuild")

// BeginRebuild marks every partition that has no mark as being rebuilt: this store may write there then, and no other
// that has not begun a rebuild too. It must be called before any goroutine uses the store. It returns how many partitions
// had been lost.
func (s *Store) BeginRebuild(ctx context.Context, id Identity) (lost int, err error) {
	if err := s.markAll(ctx, id, func(part partition) []string { return []string{part.rebuild(), part.meta()} }); err != nil {
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

// FinishRebuild opens what was rebuilt to everybody. Until it has been through all partitions Check still refuses.
func (s *Store) FinishRebuild(ctx context.Context) error {
	for _, part := range s.partitions() {
		if err := finishRebuildScript.Run(ctx, s.redis, []string{part.rebuild(), part.meta()}).Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// meta is the key of the mark without which a script does not write: in a partition that this process rebuilds one that
// no other looks at, so that nothing is sold before all is back.
func (s *Store) meta(part partition) string {
	if s.rebuilding[part] {
		return part.rebuild()
	}
	return part.meta()
}

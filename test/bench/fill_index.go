package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// indexes writes the buckets of the indexes of orders. Copies are added in the order of their creation, so a bucket of
// the index by creation is full before the next one begins. The buckets of the index by customer are written at the
// end. They are as full as splits leave them.
type indexes struct {
	created  map[any]*bucket // the last bucket, by directory
	customer map[any][]entry // all entries, by directory
}

type bucket struct {
	start any // lowest score, which is part of the key
	count int
}

type entry struct {
	score  int64
	member any
}

const (
	fullBucket  = 128 // entries, as in save_order.lua
	splitBucket = 88  // entries that a bucket has on average after splits in halves
)

func newIndexes() *indexes {
	return &indexes{created: map[any]*bucket{}, customer: map[any][]entry{}}
}

// add adds an entry to an index. move has the index, the command ZADD, the score and the member.
func (x *indexes) add(ctx context.Context, pipe redis.Pipeliner, keys, move []any) {
	byCreation, byCustomer := keys[6], keys[7]
	score, member := move[2], move[3]
	if move[0] == "customer" {
		n, _ := score.(int64)
		x.customer[byCustomer] = append(x.customer[byCustomer], entry{n, member})
		return
	}
	b := x.created[byCreation]
	switch {
	case b == nil:
		b = &bucket{start: 0}
		pipe.Do(ctx, "zadd", byCreation, 0, 0)
	case b.count == fullBucket:
		b = &bucket{start: score}
		pipe.Do(ctx, "zadd", byCreation, score, score)
	}
	b.count++
	x.created[byCreation] = b
	pipe.Do(ctx, "zadd", fmt.Sprint(byCreation, ":", b.start), score, member)
}

// write writes the buckets of the indexes by customer. All entries with the same score are in the same bucket.
func (x *indexes) write(ctx context.Context, pipe redis.Pipeliner) {
	for directory, all := range x.customer {
		slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.score, b.score) })
		var start any = 0
		for begin := 0; begin < len(all); {
			end := min(begin+splitBucket, len(all))
			for end < len(all) && all[end].score == all[end-1].score {
				end++
			}
			if begin > 0 {
				start = all[begin].score
			}
			pipe.Do(ctx, "zadd", directory, start, start)
			args := []any{"zadd", fmt.Sprint(directory, ":", start)}
			for _, e := range all[begin:end] {
				args = append(args, e.score, e.member)
			}
			pipe.Do(ctx, args...)
			begin = end
		}
	}
}

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var queueReadScript, finishClaimScript = script("queue_read"), script("finish_claim")

var claimReadsSource = scriptSource("claim_reads")

// ClaimReads returns payments whose read is due, the longest due first, and hides them from all replicas for a
// while. If another replica claims some at the same time, fewer are returned.
func (s *Store) ClaimReads(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error) {
	return s.claim(ctx, queueReads, partition.reads, limit, hide)
}

// ClaimSweeps is ClaimReads for running payments that have not changed for a while.
func (s *Store) ClaimSweeps(ctx context.Context, limit int, hide time.Duration) ([]payment.ID, error) {
	return s.claim(ctx, queueSweeps, partition.sweep, limit, hide)
}

// ClaimRestores is ClaimReads for payments that a page asked for and that are not stored: those that
// order tokens named, or those that client secrets did.
func (s *Store) ClaimRestores(
	ctx context.Context, byToken bool, limit int, hide time.Duration,
) ([]payment.ID, error) {
	return s.claim(
		ctx, restoresOf(byToken), func(part partition) string { return part.restore(byToken) }, limit, hide,
	)
}

func restoresOf(byToken bool) queueKind {
	if byToken {
		return queueTokenRestores
	}
	return queueRestores
}

// Bounds of each queue of payments to restore, in all partitions together: any caller can add ids
// to it.
const (
	mostRestores   = 1_000
	restoresByName = 32                         // places for one address, or for the tokens of one order
	placeTaken     = mostRestores * time.Second // for how long: one payment is restored a second
)

var queueRestoreScript = script("queue_restore")

// QueueRestore queues a missing payment, to be read at Stripe. A payment is not queued if it is stored, or if
// the queue or the share of its name is full; the call takes as long. Only a hash of the name is stored.
func (s *Store) QueueRestore(ctx context.Context, id payment.ID, by string, byToken bool) error {
	part, sum := s.paymentPartition(id), sha256.Sum256([]byte(by))
	keys := []string{
		part.pointer(id), part.restore(byToken), s.meta(part), part.masked(),
		part.restore(byToken) + ":" + hex.EncodeToString(sum[:8]),
	}
	places := (restoresByName + s.Partitions - 1) / s.Partitions
	err := queueRestoreScript.Run(
		ctx, s.redis, keys, string(id), mostRestores/s.Partitions, places, placeTaken.Milliseconds(),
	).Err()
	s.looks.hint(restoresOf(byToken), s.hash(string(id)))
	return unavailable(err)
}

// ClaimOrders is ClaimReads for orders that a worker has to look at.
func (s *Store) ClaimOrders(ctx context.Context, limit int, hide time.Duration) ([]payment.OrderID, error) {
	members, err := s.claimMembers(ctx, queueOrders, partition.attention, limit, hide)
	ids := make([]payment.OrderID, 0, len(members))
	for _, member := range members {
		ids = append(ids, payment.OrderID(member))
	}
	return ids, err
}

// DropOrder removes a claimed order from the attention queue, unless a save has queued it again since.
func (s *Store) DropOrder(ctx context.Context, id payment.OrderID) error {
	_, err := s.writing.script(ctx, finishClaimScript, []string{s.orderPartition(id).attention()}, string(id))
	return unavailable(err)
}

// claim is claimMembers for payments. A payment in the queues of two partitions is returned once.
func (s *Store) claim(
	ctx context.Context, kind queueKind, queue func(partition) string, limit int, hide time.Duration,
) ([]payment.ID, error) {
	members, err := s.claimMembers(ctx, kind, queue, limit, hide)
	var ids []payment.ID
	for _, member := range members {
		if id := payment.ID(member); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// claimMembers returns the members of a queue whose time has come, and hides them. It looks at the partitions in which
// some may be due.
func (s *Store) claimMembers(
	ctx context.Context, kind queueKind, queue func(partition) string, limit int, hide time.Duration,
) ([]string, error) {
	looked := s.looks.due(kind, s.Partitions)
	if len(looked) == 0 {
		return nil, nil
	}
	members, err := s.claimFrom(ctx, looked, kind, queue, limit, hide)
	if err != nil {
		for _, n := range looked {
			s.looks.hint(kind, n)
		}
	}
	return members, unavailable(err)
}

func (s *Store) claimFrom(
	ctx context.Context, looked []int, kind queueKind, queue func(partition) string, limit int, hide time.Duration,
) ([]string, error) {
	shares, err := s.share(ctx, looked, kind, queue, limit)
	if err != nil || len(shares) == 0 {
		return nil, err
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, share := range shares {
			pipe.Eval(ctx, claimReadsSource, []string{queue(s.partitionAt(n))}, share, hide.Milliseconds())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var members []string
	for _, reply := range replies {
		due, err := reply.(*redis.Cmd).StringSlice()
		if err != nil {
			return nil, err
		}
		members = append(members, due...)
	}
	return members, nil
}

// share returns how many of the first limit members, due or not yet, each of the partitions holds. A partition is
// looked at again when its next member is due.
func (s *Store) share(
	ctx context.Context, looked []int, kind queueKind, queue func(partition) string, limit int,
) (map[int]int, error) {
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, n := range looked {
			pipe.ZRangeWithScores(ctx, queue(s.partitionAt(n)), 0, int64(limit)-1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	type waiting struct {
		partition int
		due       float64
	}
	var first []waiting
	for i, reply := range replies {
		members := reply.(*redis.ZSliceCmd).Val()
		for _, member := range members {
			first = append(first, waiting{looked[i], member.Score})
		}
		if len(members) > 0 {
			s.looks.sooner(kind, looked[i], members[0].Score)
		}
	}
	slices.SortFunc(first, func(a, b waiting) int { return cmp.Compare(a.due, b.due) })
	shares := map[int]int{}
	for _, w := range first[:min(limit, len(first))] {
		shares[w.partition]++
	}
	return shares, nil
}

// QueueRead queues a payment, due at once, unless it waits already. A payment that ClaimReads has returned becomes
// due again, since the read under way may have begun too early. QueueRead returns false, and queues nothing, for a
// payment that was found not to be ours within the last day.
func (s *Store) QueueRead(ctx context.Context, id payment.ID) (bool, error) {
	part := s.paymentPartition(id)
	reply, err := s.run(ctx, queueReadScript, part, []string{part.reads(), s.meta(part), part.notOurs(id)}, string(id))
	s.looks.hint(queueReads, s.hash(string(id)))
	return reply != int64(-1), err
}

// FinishRead removes a payment from the queues of its own and of its order's partition, where ClaimReads has hidden
// it and nothing has queued it again. If the order has a read due, the entry in the order's partition stays.
func (s *Store) FinishRead(ctx context.Context, id payment.ID, order payment.OrderID, due bool) error {
	own, ofOrder := s.paymentPartition(id), s.orderPartition(order)
	for _, part := range slices.Compact([]partition{own, ofOrder}) {
		if due && part == ofOrder {
			continue
		}
		if _, err := s.writing.script(ctx, finishClaimScript, []string{part.reads()}, string(id)); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// notOursFor is how long a payment that is not ours is remembered, so that its refunds do not ask
// for a read again.
const notOursFor = 24 * time.Hour

// DropRead removes a payment from all queues. It may be in those of its order's partition, which is not
// known.
func (s *Store) DropRead(ctx context.Context, id payment.ID) error {
	_, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, part := range s.partitions() {
			pipe.ZRem(ctx, part.reads(), string(id))
			pipe.ZRem(ctx, part.sweep(), string(id))
		}
		own := s.paymentPartition(id)
		pipe.ZRem(ctx, own.restore(false), string(id))
		pipe.ZRem(ctx, own.restore(true), string(id))
		pipe.Set(ctx, own.notOurs(id), "", notOursFor)
		return nil
	})
	return unavailable(err)
}

// DropRestore takes a payment out of those that wait to be restored.
func (s *Store) DropRestore(ctx context.Context, id payment.ID) error {
	part := s.paymentPartition(id)
	_, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.ZRem(ctx, part.restore(false), string(id))
		pipe.ZRem(ctx, part.restore(true), string(id))
		return nil
	})
	return unavailable(err)
}

// ReadsDue counts the reads that wait for a worker.
func (s *Store) ReadsDue(ctx context.Context) (int, error) {
	now, err := s.redis.Time(ctx).Result()
	if err != nil {
		return 0, unavailable(err)
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.ZCount(ctx, s.partitionAt(n).reads(), "-inf", due(now))
		}
		return nil
	})
	if err != nil {
		return 0, unavailable(err)
	}
	count := 0
	for _, reply := range replies {
		count += int(reply.(*redis.IntCmd).Val())
	}
	return count, nil
}

// ReadsWithin returns the payments whose read is due within d, including those hidden by a worker.
func (s *Store) ReadsWithin(ctx context.Context, d time.Duration) (ids []payment.ID, err error) {
	now, err := s.redis.Time(ctx).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	replies, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := range s.Partitions {
			pipe.ZRangeByScore(ctx, s.partitionAt(n).reads(), &redis.ZRangeBy{Min: "-inf", Max: due(now.Add(d))})
		}
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	for _, reply := range replies {
		for _, member := range reply.(*redis.StringSliceCmd).Val() {
			ids = append(ids, payment.ID(member))
		}
	}
	return ids, nil
}

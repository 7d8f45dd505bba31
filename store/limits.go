package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"kasse/service/payment"
)

var useLimitScript = script("use_limit")

// limit is a number of requests in a period.
type limit struct {
	count  int
	per    time.Duration
	spared int // how many must be left for others
}

// useLimit uses one of the key's requests. It returns how many are left, or the time until the next one.
// With take 0 it uses none. go-redis may repeat it after a lost reply, which counts one too many.
func (s *Store) useLimit(
	ctx context.Context, key string, l limit, take int,
) (left int, wait time.Duration, err error) {
	reply, err := s.writing.script(ctx, useLimitScript, []string{key}, l.count, l.per.Microseconds(), l.spared, take)
	if err != nil {
		return 0, 0, unavailable(err)
	}
	values, ok := reply.([]any)
	if !ok || len(values) < 2 {
		return 0, 0, corrupt(key, errReplyFormat)
	}
	remaining, _ := values[0].(int64)
	micros, _ := values[1].(int64)
	return int(remaining), time.Duration(micros) * time.Microsecond, nil
}

// UseQuota uses one of the name's requests in a period, shared by all replicas. It returns how many are
// left, or the time until the next one, at most the period.
func (s *Store) UseQuota(
	ctx context.Context, name string, count int, per time.Duration,
) (left int, wait time.Duration, err error) {
	key := s.partitionAt(s.hash(name)).limit(name)
	left, wait, err = s.useLimit(ctx, key, limit{count: count, per: per}, 1)
	if wait > 0 {
		return 0, max(wait, time.Millisecond), err
	}
	return left, 0, err
}

// AllowRead uses one of this second's reads, shared by all replicas. If none is left it returns the time
// until the next one.
func (s *Store) AllowRead(ctx context.Context, perSecond int) (time.Duration, error) {
	_, wait, err := s.useLimit(ctx, s.partitionAt(0).readBudget(), limit{count: perSecond, per: time.Second}, 1)
	return wait, err
}

// AllowLookup is AllowRead for a read that a caller waits for. It leaves half of the reads to background
// work, so that callers cannot use up the budget.
func (s *Store) AllowLookup(ctx context.Context, perSecond int) (time.Duration, error) {
	l := limit{count: perSecond, per: time.Second, spared: perSecond / 2}
	_, wait, err := s.useLimit(ctx, s.partitionAt(0).readBudget(), l, 1)
	return wait, err
}

// unknownFor is how long Redis remembers that Stripe does not know a PaymentIntent, or that it is
// not ours.
const unknownFor = time.Minute

// SetUnknown remembers for a minute that Stripe does not know the PaymentIntent, or that it is not
// ours.
func (s *Store) SetUnknown(ctx context.Context, id payment.ID) error {
	return unavailable(s.redis.Set(ctx, s.paymentPartition(id).unknown(id), "", unknownFor).Err())
}

// IsUnknown reports whether SetUnknown was called for the PaymentIntent within the last minute, by any
// replica.
func (s *Store) IsUnknown(ctx context.Context, id payment.ID) (bool, error) {
	question := redis.NewIntCmd(ctx, "exists", s.paymentPartition(id).unknown(id))
	err := s.reading.run(ctx, question)
	return question.Val() > 0, unavailable(err)
}
